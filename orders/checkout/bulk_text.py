"""Bulk orders as text: one `service | link | quantity` on each line, typed or from a CSV file. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from panel.lib.csv_files import NotCSV, decoded, delimiter_of, rows_of

MAX_LINES = 1_000
# Characters of a text, bytes of a file.
MAX_TEXT = 500_000

_LINE_ENDS = re.compile("\r\n|[\r\n]")
_SERVICE = re.compile(r"#?([0-9]{1,18})")
_QUANTITY = re.compile(r"-?[0-9]{1,15}")
_GROUPS = re.compile(r"[\s,\u00a0\u202f]")
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
        raise LinesRefused(f"This is too long: {MAX_TEXT:,} characters at most.")
    lines = [(number, line.strip()) for number, line in enumerate(_LINE_ENDS.split(text), start=1) if line.strip()]
    if not lines:
        raise LinesRefused("Write at least one line: service | link | quantity.")
    if len(lines) > MAX_LINES:
        raise LinesRefused(f"Order at most {MAX_LINES:,} lines at once; these are {len(lines):,}.")
    return [_read(number, line) for number, line in lines]


def _read(number: int, text: str) -> BulkLine:
    # Cells copied from a spreadsheet are separated by tabs.
    bar = "|" if "|" in text else "\t"
    service, _, rest = text.partition(bar)
    # Split from the end: a link may contain a bar.
    link, found, amount = rest.rpartition(bar)
    if not found:
        link, amount = amount, ""
    service, link, amount = service.strip(), link.strip(), _GROUPS.sub("", amount)
    if not rest.strip():
        return BulkLine(number, text, error="Write the service, the link and the quantity with bars between them.")
    if not (service_found := _SERVICE.fullmatch(service)):
        return BulkLine(number, text, link=link, error="Begin with the number of a service.")
    if amount and not _QUANTITY.fullmatch(amount):
        return BulkLine(number, text, link=link, error="The quantity must be a whole number, such as 1000.")
    return BulkLine(number, text, int(service_found[1]), link, int(amount) if amount else None)


# -- files -------------------------------------------------------------------------------------------


def lines_of_file(data: bytes) -> str:
    """Return the rows of a CSV file as lines of text. Raise LinesRefused if it cannot be read."""
    if len(data) > MAX_TEXT:
        raise LinesRefused(f"This file is too large: {MAX_TEXT // 1000} KB at most.")
    try:
        text = decoded(data)
        delimiter = delimiter_of(text, among=",;\t|")
        if delimiter == "|":
            return text  # The file holds lines as they would be typed.
        rows = [[" ".join(cell.split()) for cell in row] for _, row in rows_of(text, delimiter=delimiter)]
    except NotCSV as error:
        raise LinesRefused(str(error)) from error
    if rows and not {name.lower() for name in rows[0]} & set(_COLUMNS):
        rows.insert(0, list(_COLUMNS))
    columns = _columns(rows[0] if rows else [])
    lines = [" | ".join(row[column] if column < len(row) else "" for column in columns) for row in rows[1:]]
    if not lines:
        raise LinesRefused("This file holds no lines to order.")
    return "\n".join(lines)


def _columns(names: list[str]) -> list[int]:
    """Return the indexes of the known columns. Raise LinesRefused if service or link is missing."""
    found = [name.lower() for name in names]
    missing = [name for name in ("service", "link") if found and name not in found]
    if missing:
        raise LinesRefused(f"The column “{missing[0]}” is missing. The first line names the columns.")
    return [found.index(name) for name in _COLUMNS if name in found]
