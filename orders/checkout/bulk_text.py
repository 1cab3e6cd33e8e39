"""Bulk orders as text: one order on each line, typed, pasted from a spreadsheet or read from a file. Pure.

A line begins with the number of a service, so what follows the number is what separates its cells: a bar, a tab, a
comma or a semicolon. That is decided for each line. A first line that names the columns changes their order.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from orders.checkout.bulk_columns import LINE_END, LINK, SERVICE, Cells, LineRefused, LinesRefused, by_column, header_of
from panel.lib.digits import typed_count

MAX_LINES = 1_000
# Characters of a text.
MAX_TEXT = 500_000

_LINE_ENDS = re.compile("\r\n|[\r\n]")
_SERVICE = re.compile(r"#?([0-9]{1,18})")
# The number of a service and what follows it.
_BEGIN = re.compile(r'"?#?[0-9]{1,18}"?[ \t]*([|,;\t])')
_SEPARATORS = "|\t;,"
# Separators beside which a quote begins a cell that may hold the separator and line ends.
_QUOTING = "\t;,"


@dataclass(frozen=True, slots=True)
class BulkLine:
    """One line as it was written. `number` counts from 1; `error` says what cannot be read.

    `columns` are those that the header line names, () without one.
    """

    number: int
    text: str
    service_id: int = 0
    cells: Cells = Cells((), "", True)
    columns: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class BulkText:
    """The lines that are not empty, and the header line as it was written, "" without one."""

    header: str
    lines: list[BulkLine]


def read_lines(text: str) -> list[BulkLine]:
    """Return the lines that are not empty. Raise LinesRefused if there are none or too many."""
    return read_text(text).lines


def read_text(text: str) -> BulkText:
    """Return the lines that are not empty, and their header. Raise LinesRefused if there are none or too many."""
    if len(text) > MAX_TEXT:
        raise LinesRefused(_("This is too long: %(most)s characters at most.") % {"most": f"{MAX_TEXT:,}"})
    written = [(number, line.strip()) for number, line in enumerate(_LINE_ENDS.split(text), start=1) if line.strip()]
    separator, columns = _header(written[0][1]) if written else ("", ())
    header = written.pop(0)[1] if columns else ""
    if not written:
        raise LinesRefused(_("Write at least one line: service | link | quantity."))
    if len(written) > MAX_LINES:
        text = _("Order at most %(most)s lines at once; these are %(count)s.")
        raise LinesRefused(text % {"most": f"{MAX_LINES:,}", "count": f"{len(written):,}"})
    missing = [name for name in (SERVICE, LINK) if columns and name not in columns]
    if missing:
        text = _("The column “%(name)s” is missing. The first line names the columns.")
        raise LinesRefused(text % {"name": missing[0]})
    return BulkText(header, [_read(number, line, separator, columns) for number, line in written])


def _header(text: str) -> tuple[str, tuple[str, ...]]:
    """Return the separator and the columns of a header line; "" and () if it is none."""
    if _BEGIN.match(text) or len(text) > 1_000:
        return "", ()
    found = [(header_of(_cut(text, separator).parts), separator) for separator in _SEPARATORS if separator in text]
    columns, separator = max(found, key=lambda one: sum(map(bool, one[0])), default=((), ""))
    return (separator, columns) if columns else ("", ())


def _read(number: int, text: str, separator: str, columns: tuple[str, ...]) -> BulkLine:
    separator = _separator_of(text, separator, columns)
    if not separator:
        return BulkLine(number, text, error=_("Write the service, the link and the quantity with bars between them."))
    cells = _cut(text, separator)
    try:
        service = by_column(cells=cells, columns=columns)[SERVICE] if columns else cells.parts[0].strip()
    except LineRefused as refusal:
        return BulkLine(number, text, error=str(refusal))
    if not (found := _SERVICE.fullmatch(service)):
        return BulkLine(number, text, error=_("Begin with the number of a service."))
    if _is_grouped(cells):
        return BulkLine(number, text, error=_("Write the quantity without a comma, such as 1000."))
    return BulkLine(number, text, int(found[1]), cells, columns)


def _separator_of(text: str, separator: str, columns: tuple[str, ...]) -> str:
    """Return what separates the cells of a line, "" if nothing does. `separator` and `columns` are the header's."""
    begin = _BEGIN.match(text)
    if begin and (not columns or columns[0] == SERVICE):
        return begin[1]
    return next((one for one in (separator, *_SEPARATORS) if one and one in text), "")


def _is_grouped(cells: Cells) -> bool:
    """Return True if the quantity may be two cells: “7,link,1,000”."""
    if cells.is_sure or cells.separator != "," or len(cells.parts) < 4:
        return False
    thousands, rest = (part.strip() for part in cells.parts[-2:])
    return thousands.isdigit() and len(thousands) <= 3 and rest.isdigit() and len(rest) == 3


def text_of(header: str, lines: Sequence[BulkLine]) -> str:
    """Return the lines below their header as a text to read again; "" without lines."""
    return "\n".join((*((header,) if header else ()), *(line.text for line in lines))) if lines else ""


def joined_texts(first: str, then: str) -> str:
    """Return the lines of both texts. A header that both begin with is written once."""
    head, line_end, rest = then.partition("\n")
    if line_end and head == first.partition("\n")[0] and _header(head.strip())[1]:
        then = rest
    return "\n".join(text for text in (first, then) if text.strip())


def count_lines(text: str) -> int:
    """Return the number of lines that are not empty, without their header."""
    lines = [line.strip() for line in _LINE_ENDS.split(text) if line.strip()]
    return len(lines) - bool(lines and _header(lines[0])[1])


def with_corrections(text: str, corrections: Mapping[int, tuple[str, str]]) -> str:
    """Return the text with lines rewritten: by the number of a line, how it was and how it is now.

    A line that is elsewhere by now is found there. What no line was is added at the end: nothing typed is lost.
    """
    lines = _LINE_ENDS.split(text)
    places: dict[str, list[int]] = {}
    for place in reversed(range(len(lines))):
        places.setdefault(lines[place].strip(), []).append(place)
    for number, (was, now) in corrections.items():
        now = " ".join(_LINE_ENDS.split(now)).strip()
        here = lines[number - 1].strip() if 0 < number <= len(lines) else ""
        if now in (was, here):
            continue
        others = places.get(was, [])
        while others and lines[others[-1]].strip() != was:
            others.pop()  # Another correction was for it.
        if here == was:
            lines[number - 1] = now
        elif others:
            lines[others.pop()] = now
        elif now:
            lines.append(now)
    return "\n".join(lines)


# -- cells -------------------------------------------------------------------------------------------


def _cut(text: str, separator: str) -> Cells:
    """Return the cells of a line. A link may hold the separator, but no spaces: separators beside spaces are sure."""
    if separator in _QUOTING and '"' in text and (row := _quoted(text, separator)):
        return Cells(tuple(row), separator, True)
    plain = tuple(text.split(separator))
    if separator == "\t":
        return Cells(plain, separator, True)
    spaced = _cut_beside_spaces(text, separator)
    # “7, link,100”: the last separator ends the link, though only the first is sure.
    is_sure = spaced[0] == plain[0] and (len(spaced) > 2 or typed_count(plain[-1]) is None)
    return Cells(spaced, separator, True) if is_sure or len(spaced) == len(plain) else Cells(plain, separator, False)


def _cut_beside_spaces(text: str, separator: str) -> tuple[str, ...]:
    parts, begin = [], 0
    for place, letter in enumerate(text):
        if letter == separator and (
            place + 1 == len(text) or text[place + 1].isspace() or (place > 0 and text[place - 1].isspace())
        ):
            parts.append(text[begin:place])
            begin = place + 1
    return (*parts, text[begin:])


def _quoted(text: str, separator: str) -> list[str] | None:
    """Return the cells of a line with quotes around some; None if it has none, or is not CSV."""
    try:
        [row] = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True)
    except (csv.Error, ValueError):
        return None
    # A quote within a cell is a part of it: such a line is cut as without quotes.
    return row if any(part.lstrip().startswith('"') for part in text.split(separator)) else None


# -- cells of several lines ----------------------------------------------------------------------------


def with_one_line_each(text: str) -> str:
    """Return the text with each order on one line: spreadsheets quote cells of several lines, here they get “\\n”."""
    lines = _LINE_ENDS.split(text)
    if len(text) > MAX_TEXT or '"' not in text:
        return "\n".join(lines)
    first = next((line for line in lines if line.strip()), "")
    return "\n".join(_closed(lines, _header(first.strip())[0]))


def _closed(lines: list[str], separator: str) -> Iterator[str]:
    """Yield the lines, those of one order as one. `separator` is the header's, "" without one."""
    place, may_close = 0, True
    while place < len(lines):
        line, end = lines[place], place + 1
        own = _separator_of(line.strip(), separator, ())
        if may_close and own and own in _QUOTING and _is_open(line, own):
            parts = [line]
            while end < len(lines) and lines[end].count('"') % 2 == 0:
                parts.append(lines[end])
                end += 1
            # A quote that nothing closes is a part of its line. No later one is closed either.
            may_close = end < len(lines)
            row = _quoted("\n".join((*parts, lines[end])), own) if may_close else None
            if row is not None:
                line, end = one_line(row), end + 1
            else:
                end = place + 1
        yield line
        place = end


def _is_open(line: str, separator: str) -> bool:
    """Return True if a cell of the line begins with a quote that the line does not close."""
    return line.count('"') % 2 == 1 and any(part.lstrip().startswith('"') for part in line.split(separator))


def one_line(cells: list[str]) -> str:
    """Return the cells as a line that reads as they do."""
    texts = [LINE_END.join(part.strip() for part in cell.strip().splitlines()) for cell in cells]
    texts = [text.replace("\t", " ") for text in texts]
    if not any("|" in text for text in texts):
        return " | ".join(texts)
    return "\t".join('"' + text.replace('"', '""') + '"' if text.startswith('"') else text for text in texts)
