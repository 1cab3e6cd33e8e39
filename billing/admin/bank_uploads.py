"""The forms of a bank's file: the file, which column holds what, and the file kept between the two.

It is kept in the page, encrypted, and not in the database: it names people who are no customers, and what went out.
"""

from __future__ import annotations

import json
import time
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
)

from billing.bank.columns import Columns
from billing.bank.tables import MAX_FILE, Table
from billing.bank.values import Order
from billing.models import PaymentMethod
from panel.lib.admin.kept_forms import MAX_AGE_SECONDS, KeptTooOld
from panel.lib.crypto import Undecryptable, decrypt, encrypt

MAX_SAMPLE = 30
_ORDERS = (
    ("", "As the file says"),
    (Order.DAY_FIRST.value, "Day, month, year"),
    (Order.MONTH_FIRST.value, "Month, day, year"),
    (Order.YEAR_FIRST.value, "Year, month, day"),
)


class StatementForm(forms.Form):
    file = forms.FileField(
        label="CSV file of your bank",
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.txt,text/csv"}),
        error_messages={"required": "Choose the file.", "empty": "The file is empty."},
    )

    def clean_file(self) -> UploadedFile:
        file: UploadedFile = self.cleaned_data["file"]
        if (file.size or 0) > MAX_FILE:
            raise forms.ValidationError(f"The file is larger than {MAX_FILE // 1024} KB. Export a shorter time.")
        return file


class ColumnsForm(forms.Form):
    """Which column holds what; filled in with what the names of the file say."""

    day = forms.TypedChoiceField(label="Day", coerce=int, widget=UnfoldAdminSelectWidget)
    order = forms.ChoiceField(
        label="Days are written as", required=False, choices=_ORDERS, widget=UnfoldAdminSelectWidget
    )
    amount = forms.TypedChoiceField(label="What came in", coerce=int, widget=UnfoldAdminSelectWidget)
    texts = forms.TypedMultipleChoiceField(
        label="Texts, in which codes and names are looked for",
        coerce=int,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )
    sign = forms.TypedChoiceField(
        label="In or out, if the amount does not say it",
        coerce=int,
        empty_value=None,
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    currency = forms.TypedChoiceField(
        label="Currency", coerce=int, empty_value=None, required=False, widget=UnfoldAdminSelectWidget
    )

    def __init__(self, data: Any = None, *, table: Table, columns: Columns | None) -> None:
        initial = {}
        if columns is not None:
            names = ("day", "amount", "texts", "sign", "currency")
            initial = {name: getattr(columns, name) for name in names}
        super().__init__(data, initial=initial)
        width = max([len(table.header), *(len(cells) for _, cells in table.rows)])
        choices = [(str(place), _name(table, place)) for place in range(width)]
        for name in ("day", "amount", "texts", "sign", "currency"):
            is_optional = name in ("sign", "currency")
            none = [("", "Choose a column")] if name in ("day", "amount") else [("", "No column")] * is_optional
            self.fields[name].choices = [*none, *choices]  # type: ignore[attr-defined]

    def chosen(self) -> tuple[Columns, Order | None]:
        data = self.cleaned_data
        columns = Columns(data["day"], data["amount"], tuple(data["texts"]), data["sign"], data["currency"])
        return columns, Order(data["order"]) if data["order"] else None


def _name(table: Table, place: int) -> str:
    """Return the name of a column with an example of what is in it."""
    name = table.header[place] if place < len(table.header) else ""
    cells = (cells[place] for _, cells in table.rows if place < len(cells) and cells[place])
    sample = next(cells, "")
    example = f" (such as “{sample[:MAX_SAMPLE]}”)" if sample else ""
    return f"{name[:60] or f'Column {place + 1}'}{example}"


def keep_statement(*, request: HttpRequest, method: PaymentMethod, text: str) -> str:
    """Return the file as text for a hidden field, for this person and method."""
    kept = {"text": text, "user": request.user.pk, "method": method.pk, "at": time.time()}
    return encrypt(json.dumps(kept, ensure_ascii=False))


def kept_statement(*, request: HttpRequest, method: PaymentMethod) -> str:
    """Return the file that was kept. Raise KeptTooOld."""
    try:
        kept = json.loads(decrypt(request.POST["kept"]))
    except (Undecryptable, ValueError):
        raise KeptTooOld from None
    is_fresh = 0 <= time.time() - kept["at"] <= MAX_AGE_SECONDS
    if not is_fresh or (kept["user"], kept["method"]) != (request.user.pk, method.pk):
        raise KeptTooOld
    text: str = kept["text"]
    return text
