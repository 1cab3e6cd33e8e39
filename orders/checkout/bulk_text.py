"""Bulk orders as text: one `service | link | quantity` on each line, typed or from a CSV file. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.utils.translation import gettext as _

from panel.lib.csv_files import NotCSV, decoded, delimiter_of, rows_of
from panel.lib.digits import CountError, read_count

MAX_LINES = 1_000
# Characters of a text, bytes of a file.
MAX_TEXT = 500_000

_LINE_ENDS = re.compile("\r\n|[\r\n]")
_SERVICE = re.compile(r"#?([0-9]{1,18})")
_COLUMNS = ("service", "link", "quantity")


class LinesRefused(ValueError):
    """The text or the file as a whole cannot be read. The message is for the customer."""


@dataclass(frozen=True, slots=True)
class BulkLine:
    """One line as it was written. `number` counts from 1; `error` says what cannot be read."""

    number: int
    text: str
    service_id: int = 0
    link: str = ""
    quantity: int | None = None
    error: str = ""


def read_lines(text: str) -> list[BulkLine]:
    """Return the lines that are not empty. Raise LinesRefused if there are none or too many."""
    if len(text) > MAX_TEXT:
        raise LinesRefused(_("This is too long: %(most)s characters at most.") % {"most": f"{MAX_TEXT:,}"})
    written = [(number, line.strip()) for number, line in enumerate(_LINE_ENDS.split(text), start=1) if line.strip()]
    if not written:
        raise LinesRefused(_("Write at least one line: service | link | quantity."))
    if len(written) > MAX_LINES:
        text = _("Order at most %(most)s lines at once; these are %(count)s.")
        raise LinesRefused(text % {"most": f"{MAX_LINES:,}", "count": f"{len(written):,}"})
    return [_read(number, line) for number, line in written]


def _read(number: int, text: str) -> BulkLine:
    # Cells copied from a spreadsheet are separated by tabs.
    bar = "|" if "|" in text else "\t"
    service, _bar, rest = text.partition(bar)
    # Split from the end: a link may contain a bar.
    link, found, amount = rest.rpartition(bar)
    if not found:
        link, amount = amount, ""
    service, link, amount = service.strip(), link.strip(), amount.strip()
    if not rest.strip():
        return BulkLine(number, text, error=_("Write the service, the link and the quantity with bars between them."))
    if not (service_found := _SERVICE.fullmatch(service)):
        return BulkLine(number, text, link=link, error=_("Begin with the number of a service."))
    try:
        quantity = read_count(amount) if amount else None
    except CountError as error:
        return BulkLine(number, text, link=link, error=str(error))
    return BulkLine(number, text, int(service_found[1]), link, quantity)


# -- files -------------------------------------------------------------------------------------------


def lines_of_file(data: bytes) -> str:
    """Return the rows of a CSV file as lines of text. Raise LinesRefused if it cannot be read."""
    if len(data) > MAX_TEXT:
        raise LinesRefused(_("This file is too large: %(most)s KB at most.") % {"most": MAX_TEXT // 1000})
    try:
        text = decoded(data)
        delimiter = delimiter_of(text, among=",;\t|")
        if delimiter == "|":
            return text  # Lines as they are typed, in a file.
        rows = [[" ".join(cell.split()) for cell in row] for _number, row in rows_of(text, delimiter=delimiter)]
    except NotCSV as error:
        raise LinesRefused(str(error)) from error
    if rows and not {name.lower() for name in rows[0]} & set(_COLUMNS):
        rows.insert(0, list(_COLUMNS))
    columns = _columns(rows[0] if rows else [])
    lines = [" | ".join(row[column] if column < len(row) else "" for column in columns) for row in rows[1:]]
    if not lines:
        raise LinesRefused(_("This file holds no lines to order."))
    return "\n".join(lines)


def _columns(names: list[str]) -> list[int]:
    """Return the indexes of the known columns. Raise LinesRefused if service or link is missing."""
    found = [name.lower() for name in names]
    missing = [name for name in ("service", "link") if found and name not in found]
    if missing:
        text = _("The column “%(name)s” is missing. The first line names the columns.")
        raise LinesRefused(text % {"name": missing[0]})
    return [found.index(name) for name in _COLUMNS if name in found]
