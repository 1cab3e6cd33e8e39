"""The form of many orders: typed lines, lines that were corrected after a check, or a file."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from orders.checkout.bulk_columns import LinesRefused
from orders.checkout.bulk_files import MAX_FILE, FileText, lines_of_file
from orders.checkout.bulk_text import MAX_LINES, MAX_TEXT, read_lines, with_corrections, with_one_line_each

# A wrong line as it was when it was checked; `line-` and its number hold how it is now.
_WAS = re.compile(r"was-([1-9][0-9]{0,6})")


class LinesField(forms.Field):
    """The raw text: mistakes are reported line by line, including invisible characters."""

    widget: forms.Widget = forms.Textarea(
        attrs={
            "class": "form-control",
            "rows": 10,
            "maxlength": MAX_TEXT,
            "spellcheck": "false",
            "autocomplete": "off",
            "autocapitalize": "off",
            "dir": "ltr",
            "placeholder": "12 | https://example.com/page | 1000",
        }
    )

    def clean(self, value: str) -> str:
        return value or ""


class AsideField(LinesField):
    """Lines that were taken out, to be put back."""

    widget: forms.Widget = forms.HiddenInput()

    def clean(self, value: str) -> str:
        return super().clean(value)[:MAX_TEXT].replace("\r\n", "\n")


class BulkForm(forms.Form):
    """After `is_valid`, `text` holds the lines, typed or from the file. Use `posted` for what a browser sends."""

    lines = LinesField(
        label=_("Lines"),
        help_text=format_lazy(
            _("service | link | quantity, one order on each line, {most} at most. Cells of a spreadsheet work too."),
            most=f"{MAX_LINES:,}",
        ),
    )
    file = forms.FileField(
        label=_("Or a file: Excel or CSV"),
        required=False,
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ".xlsx,.csv,.tsv,.txt,text/csv,text/plain"}),
        help_text=format_lazy(
            _("With the columns service, link and quantity, {most} KB at most."), most=f"{MAX_FILE // 1000:,}"
        ),
    )
    aside = AsideField(required=False)
    request_key = forms.RegexField(r"\A[0-9a-f]{32}\Z", required=False, widget=forms.HiddenInput)
    seal = forms.CharField(required=False, widget=forms.HiddenInput)

    use_required_attribute = False  # A file is enough.
    text = ""
    is_guess = False

    @classmethod
    def posted(cls, data: QueryDict, files: MultiValueDict[str, UploadedFile]) -> BulkForm:
        """Return the form with the corrected lines in their places."""
        found = {int(match[1]): str(data[match[0]]) for name in data if (match := _WAS.fullmatch(name))}
        corrections = {number: (was, data.get(f"line-{number}", was)) for number, was in found.items()}
        merged = data.copy()
        if corrections:
            merged["lines"] = with_corrections(data.get("lines", "")[:MAX_TEXT], corrections)
        return cls(merged, files)

    def clean_file(self) -> FileText | None:
        """Return the file's rows as lines of text."""
        file = self.cleaned_data["file"]
        if file is None:
            return None
        try:
            return lines_of_file(file.read(MAX_FILE + 1))
        except LinesRefused as refusal:
            raise forms.ValidationError(str(refusal)) from None

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        typed, file = data.get("lines", ""), data.get("file")
        if typed.strip() and file:
            self.add_error("file", _("There are lines above already. Clear them to take those of the file instead."))
        if self.errors:
            return data
        self.text = file.text if file else with_one_line_each(typed)
        self.is_guess = file is not None and file.is_guess
        try:
            read_lines(self.text)
        except LinesRefused as refusal:
            self.add_error("file" if file else "lines", str(refusal))
        return data

    def previewed(self, *, seal: str) -> BulkForm:
        """Return the form to show again: with all lines in the text field, and a key to order once."""
        return BulkForm.checked(self.text, seal=seal, aside=self.cleaned_data["aside"])

    @classmethod
    def checked(cls, text: str, *, seal: str, aside: str = "") -> BulkForm:
        """Return the form with lines that are quoted beside it."""
        form = cls(initial={"lines": text, "aside": aside, "request_key": uuid4().hex, "seal": seal})
        form.fields["lines"].widget.attrs["rows"] = min(max(text.count("\n") + 2, 3), 10)
        return form
