"""Format and parse services as CSV. Pure: no database.

Spreadsheets execute cells that look like formulas. Such a cell gets a leading apostrophe when written and loses it when
read, so that any name survives the round trip.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError

from catalog.prices.edits import Values
from panel.lib.admin.fields import AmountField, PercentField
from panel.lib.csv_files import NotCSV, decoded, delimiter_of, rows_of
from panel.lib.digits import whole_number

COLUMNS = (
    "id",
    "provider",
    "provider's id",
    "name",
    "category",
    "margin percent",
    "fixed margin",
    "on sale",
    "cost",
    "price",
)
# Columns that a file can set, with the columns that store them.
SETS: Mapping[str, str] = {"name": "name", "margin percent": "margin_bp", "fixed margin": "margin_fixed"}

MAX_ERRORS = 50
MAX_NAME = 500
_FIELDS = {"margin_bp": PercentField(required=False), "margin_fixed": AmountField(required=False)}


class FileRefused(Exception):
    """The file is refused. `errors` are the first fifty, for staff; `count` is the number of all."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__(errors[0])
        self.errors = list(errors[:MAX_ERRORS])
        self.count = len(errors)

    @property
    def more(self) -> int:
        return self.count - len(self.errors)


@dataclass(frozen=True, slots=True)
class FileRow:
    """A line of the file: the values to set on service `pk`, in basis points and micro-units."""

    line: int
    pk: int
    values: Values


def read_rows(data: bytes) -> list[FileRow]:
    """Parse a file. Raise FileRefused with all of its errors."""
    try:
        text = decoded(data)
        lines = list(rows_of(text, delimiter=delimiter_of(text, among=",;")))
    except NotCSV as error:
        raise FileRefused([str(error)]) from error
    head = lines[0][1] if lines else []
    names = [" ".join(cell.split()).lower() for cell in head]
    _check_head(names)
    rows: list[FileRow] = []
    errors: list[str] = []
    seen: dict[int, int] = {}
    for line, cells in lines[1:]:
        try:
            row = _row(line, names, cells)
        except ValueError as error:
            errors.append(f"Line {line}: {error}")
            continue
        if row.pk in seen:
            errors.append(f"Line {line}: service {row.pk} stands on line {seen[row.pk]} already.")
        seen.setdefault(row.pk, line)
        rows.append(row)
    if errors:
        raise FileRefused(errors)
    if not rows:
        raise FileRefused(["The file holds no services."])
    return rows


def _check_head(names: Sequence[str]) -> None:
    if "id" not in names:
        raise FileRefused(["The column “id” is missing. The first line names the columns."])
    if not any(name in names for name in SETS):
        listed = ", ".join(f"“{name}”" for name in SETS)
        raise FileRefused([f"There is nothing to set: the file has none of the columns {listed}."])
    twice = [name for name in ("id", *SETS) if names.count(name) > 1]
    if twice:
        raise FileRefused([f"The column “{twice[0]}” stands there twice."])


def _row(line: int, names: Sequence[str], cells: Sequence[str]) -> FileRow:
    """Parse a line. Raise ValueError."""
    if len(cells) != len(names):
        raise ValueError(f"it has {len(cells)} cells, the first line has {len(names)}.")
    by_name = dict(zip(names, cells, strict=True))
    number = whole_number(by_name["id"])
    if number is None:
        raise ValueError("the id is not a number.")
    found = {column: _value(name, column, by_name[name]) for name, column in SETS.items() if name in by_name}
    return FileRow(line, number, found)


def _value(name: str, column: str, text: str) -> Any:
    """Parse a cell. Raise ValueError."""
    if column == "name":
        if not text.strip():
            raise ValueError("the name is empty.")
        if len(text) > MAX_NAME:
            raise ValueError(f"the name is longer than {MAX_NAME} characters.")
        return text
    if "," in text:
        # In half of the world "12,500" is twelve and a half.
        raise ValueError(f"{name}: write the number with a decimal point and without commas, such as 12.5.")
    try:
        return _FIELDS[column].clean(text)
    except ValidationError as error:
        raise ValueError(f"{name}: {' '.join(error.messages)}") from error
