"""The form of many orders: typed lines or a file."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django import forms
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from orders.checkout.bulk_text import MAX_LINES, MAX_TEXT, LinesRefused, lines_of_file, read_lines


class LinesField(forms.Field):
    """The raw text: mistakes are reported line by line, including invisible characters."""

    widget = forms.Textarea(
        attrs={
            "rows": 10,
            "maxlength": MAX_TEXT,
            "spellcheck": "false",
            "autocomplete": "off",
            "autocapitalize": "off",
            "placeholder": "12 | https://example.com/page | 1000",
        }
    )

    def clean(self, value: str) -> str:
        return value or ""


class BulkForm(forms.Form):
    """After `is_valid`, `text` holds the lines, typed or from the file."""

    lines = LinesField(
        label=_("Lines"),
        help_text=format_lazy(
            _("service | link | quantity, one order on each line, {most} at most."), most=f"{MAX_LINES:,}"
        ),
    )
    file = forms.FileField(
        label=_("Or a CSV file"),
        required=False,
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,text/csv,text/plain"}),
        help_text=format_lazy(
            _("With the columns service, link and quantity, {most} KB at most."), most=MAX_TEXT // 1000
        ),
    )
    request_key = forms.RegexField(r"\A[0-9a-f]{32}\Z", required=False, widget=forms.HiddenInput)
    seal = forms.CharField(required=False, widget=forms.HiddenInput)

    use_required_attribute = False  # A file is enough.
    text = ""

    def clean_file(self) -> str:
        """Return the file's rows as lines of text."""
        file = self.cleaned_data["file"]
        if file is None:
            return ""
        try:
            return lines_of_file(file.read(MAX_TEXT + 1))
        except LinesRefused as refusal:
            raise forms.ValidationError(str(refusal)) from None

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        typed, filed = data.get("lines", ""), data.get("file", "")
        if typed.strip() and filed:
            self.add_error("file", _("There are lines above already. Clear them to take those of the file instead."))
        if self.errors:
            return data
        self.text = filed or typed
        try:
            read_lines(self.text)
        except LinesRefused as refusal:
            self.add_error("file" if filed else "lines", str(refusal))
        return data

    def previewed(self, *, seal: str) -> BulkForm:
        """Return the form to show again: with all lines in the text field, and a key to order once."""
        return BulkForm(initial={"lines": self.text, "request_key": uuid4().hex, "seal": seal})
