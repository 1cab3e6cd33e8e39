"""CSV for spreadsheets, written and read line by line. Pure, except for the response.

Spreadsheets run a cell that begins like a formula, so such a cell gets a leading apostrophe when written, and loses it
when read. They may split lines at something else than commas, and then a cell begins wherever that stands: what follows
it gets an apostrophe too.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

from django.http import StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

# Marks the file as UTF-8 for spreadsheets.
BOM = "\ufeff"
_STARTS_A_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "'")  # noqa: RUF001
# Where spreadsheets offer to split lines, or lines end.
_SEPARATOR = re.compile(r"([;,:|\t\r\n ])")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


class NotCSV(ValueError):
    """The file cannot be read. The message is for the person who sent it."""


def guarded(text: str) -> str:
    """Return a cell no part of which a spreadsheet takes for a formula, wherever it splits. Numbers stay numbers."""
    if _NUMBER.fullmatch(text):
        return text
    parts = _SEPARATOR.split(text)
    for place in range(2, len(parts), 2):
        if _may_run(parts[place], after=parts[place - 1]):
            parts[place] = f"'{parts[place]}"
    whole = "".join(parts)
    return f"'{whole}" if whole.lstrip('"').startswith(_STARTS_A_FORMULA) else whole


def unguarded(cell: str) -> str:
    """Return the text of a cell that `guarded` returned. Other cells lose an apostrophe at most where it adds one."""
    parts = _SEPARATOR.split(cell.removeprefix("'"))
    for place in range(2, len(parts), 2):
        part = parts[place].removeprefix("'")
        if part != parts[place] and _may_run(part, after=parts[place - 1]):
            parts[place] = part
    return "".join(parts)


def _may_run(part: str, *, after: str) -> bool:
    """Return True if a spreadsheet that splits before `part` may run it. `after` is the separator before it."""
    bare = part.lstrip('"')
    if not bare.startswith(_STARTS_A_FORMULA):
        return False
    # Words have spaces before signs: “5 - 10” and “up to -5” stay as they are.
    return after != " " or bare.startswith("'") or (len(bare) > 1 and not _NUMBER.fullmatch(bare))


def as_csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a file, ready to stream."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    buffer.write(BOM)
    writer.writerow(header)
    yield _drain(buffer)
    for row in rows:
        writer.writerow([guarded(cell) for cell in row])
        yield _drain(buffer)


def decoded(data: bytes) -> str:
    """Return the text of a file in UTF-8, or in UTF-16 with its mark. Raise NotCSV."""
    is_utf_16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # Spreadsheets call it "Unicode text".
    try:
        text = data.decode("utf-16" if is_utf_16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        if b"\0" in data:
            raise NotCSV(_("This is not a CSV file.")) from error
        raise NotCSV(_("This file is not in UTF-8. Save it as “CSV UTF-8” and try again.")) from error
    if "\0" in text:
        raise NotCSV(_("This is not a CSV file."))
    return text


def delimiter_of(text: str, *, among: str) -> str:
    """Return the character that the first line contains most often; the first of `among` if it contains none."""
    return max(among, key=text.lstrip("\r\n").partition("\n")[0].count)


def rows_of(text: str, *, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not empty, each with the number of its first line. Raise NotCSV."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begins = 1
    try:
        for cells in reader:
            row = [unguarded(cell.strip()) for cell in cells]
            if any(row):
                yield begins, row
            begins = reader.line_num + 1
    except csv.Error as error:
        raise NotCSV(_("Line %(number)s: this is not CSV (%(error)s).") % {"number": begins, "error": error}) from error


def csv_response(*, name: str, lines: Iterator[str]) -> StreamingHttpResponse:
    """Return a streamed download named `name` (ASCII letters) and today's date."""
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}-{timezone.localdate():%Y-%m-%d}.csv"'
    response["Cache-Control"] = "no-store"
    return response


def _drain(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
