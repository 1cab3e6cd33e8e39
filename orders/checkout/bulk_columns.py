"""The columns of bulk orders: their names, a header line, and which cell of a line is what. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from catalog.service_types import SPECS, Kind, Param, TypeSpec
from orders.checkout.questions import split_lines
from panel.lib.csv_files import unguarded
from panel.lib.digits import typed_count

SERVICE, LINK, QUANTITY = "service", "link", "quantity"
BASE = (SERVICE, LINK, QUANTITY)
PARAMS: Mapping[str, Param] = {param.name: param for spec in SPECS.values() for param in spec.params}
# What else people and other panels write in a header line.
_OTHER_NAMES = {
    "id": SERVICE,
    "service_id": SERVICE,
    "url": LINK,
    "qty": QUANTITY,
    "amount": QUANTITY,
    "count": QUANTITY,
    "comment": "comments",
    "user": "username",
    "keyword": "keywords",
}
# How a line end is written within a line.
LINE_END = "\\n"


class LinesRefused(ValueError):
    """The text or the file as a whole cannot be read. The message is for the customer."""


class LineRefused(ValueError):
    """The cells of one line cannot be told apart. The message is for the customer."""


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of one line as they were written; `separator` stands between them.

    `is_sure` is False if a separator without spaces around it may belong to a cell: a link may contain it.
    """

    parts: tuple[str, ...]
    separator: str
    is_sure: bool

    def joined(self, first: int, end: int) -> str:
        """Return the text from one cell to before another."""
        return self.separator.join(self.parts[first:end]).strip()


@dataclass(frozen=True, slots=True)
class Fields:
    """What one line orders, as it was written; `quantity` is "" if there is none."""

    link: str
    quantity: str
    params: dict[str, str]


def column_of(name: str) -> str:
    """Return the column that a cell of a header line names; "" if it names none."""
    known = "_".join(name.casefold().replace("-", " ").replace("_", " ").split())
    known = _OTHER_NAMES.get(known, known)
    return known if known in BASE or known in PARAMS else ""


def header_of(cells: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that a header line names, "" for others; () if it is no header line."""
    found = [column_of(cell) for cell in cells]
    # A column that is named twice is read once.
    columns = tuple("" if name in found[:place] else name for place, name in enumerate(found))
    return columns if sum(map(bool, columns)) > 1 else ()


def columns_of(spec: TypeSpec) -> tuple[str, ...]:
    """Return the columns of a line without a header, as messages name them."""
    amount = (QUANTITY,) if spec.takes_quantity else ()
    return (SERVICE, LINK, *amount, *(param.name for param in spec.params))


def _columns_without_header(spec: TypeSpec, cells: Cells) -> tuple[str, ...]:
    columns = columns_of(spec)
    if spec.takes_quantity:
        return columns
    # The quantity may be written though it is not needed. A number alone is no comment.
    third = cells.parts[2].strip() if len(cells.parts) > 2 else ""
    is_amount = not spec.params or not third or typed_count(third) is not None
    return (*BASE, *columns[2:]) if is_amount else columns


def by_column(*, cells: Cells, columns: Sequence[str]) -> dict[str, str]:
    """Return the text of each column. Raise LineRefused if there are more cells than columns."""
    count = len(cells.parts)
    while count > len(columns) and not cells.parts[count - 1].strip():
        count -= 1
    surplus = max(count - len(columns), 0)
    taker = _taker(cells, columns) if surplus else None
    if surplus and taker is None:
        raise LineRefused(_too_many(cells, columns))
    found: dict[str, str] = {}
    place = 0
    for index, name in enumerate(columns):
        end = place + 1 + (surplus if index == taker else 0)
        if name:
            found[name] = cells.joined(place, end) if place < count else ""
        place = end
    return found


def _taker(cells: Cells, columns: Sequence[str]) -> int | None:
    """Return the index of the column that holds separators, if there are more cells than columns; None if any could."""
    if cells.is_sure:
        return len(columns) - 1 if _is_free(columns[-1]) else None
    free = [index for index, name in enumerate(columns) if name == LINK or not name or _is_free(name)]
    return free[0] if len(free) == 1 else None


def _is_free(name: str) -> bool:
    """Return True for a column of any text."""
    return name in PARAMS and PARAMS[name].kind in (Kind.LINE, Kind.LINES)


def _too_many(cells: Cells, columns: Sequence[str]) -> str:
    names = " | ".join(name or "…" for name in columns)
    if cells.is_sure:
        return _("This line has more columns than these: %(names)s.") % {"names": names}
    text = _("Which “%(separator)s” ends a column? Write the line with spaces around the bars between them: %(names)s.")
    return text % {"separator": cells.separator, "names": names}


def fields_of(*, spec: TypeSpec, cells: Cells, columns: Sequence[str] = ()) -> Fields:
    """Return what the line orders of a service of this type. `columns` are those of the header, if there is one.

    Raise LineRefused if the cells cannot be told apart.
    """
    found = by_column(cells=cells, columns=columns or _columns_without_header(spec, cells))
    params = {param.name: _param_text(param, found.get(param.name, "")) for param in spec.params}
    return Fields(unguarded(found.get(LINK, "")), found.get(QUANTITY, ""), params)


def _param_text(param: Param, text: str) -> str:
    if param.kind is Kind.LINES:
        text = text.replace("\\r\\n", "\n").replace(LINE_END, "\n")
        # Names have no commas; comments and keywords may.
        return split_lines(name=param.name, text=text) if param.name in ("usernames", "hashtags") else text
    if param.kind is Kind.CHOICE:
        words = {_(label).casefold(): value for value, label in param.choices}
        return words.get(text.casefold(), text)
    return text
