"""Excel files of strangers, read as rows of text. Pure.

Such a file is a ZIP of XML: a small one may unpack to gigabytes, name entities that grow, or claim a million rows. So
what it unpacks to is counted before it is read, entities are refused, and rows and columns are bounded. Cells may share
one text, so a small file may still hold gigabytes of it: the characters of all cells are counted as they are read.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time

from django.utils.translation import gettext as _

# Bytes, unpacked: of the sheets and their words, and of all else. A byte of styles takes ten times as long to read.
MAX_UNPACKED, MAX_AROUND = 1_000_000, 150_000
_SHEETS = ("xl/worksheets/", "xl/sharedStrings.xml", "xl/media/")
MAX_PARTS = 500
MAX_ROWS, MAX_COLUMNS = 10_000, 50
# Characters: of a cell, which is Excel's own limit, and of all cells.
MAX_CELL, MAX_CELLS = 32_767, 500_000
# Excel holds no more digits of a number.
MAX_EXACT = 10**15
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class NotExcel(ValueError):
    """The file cannot be read. The message is for the person who sent it."""


def is_excel(data: bytes) -> bool:
    """Return True if the file looks like Excel's, of any age."""
    return data.startswith((_ZIP, _OLE))


def sheet_rows(data: bytes) -> list[list[str]]:
    """Return the rows of the first visible sheet as text, each without empty cells at its end. Raise NotExcel.

    Of a formula it is the value that Excel stored; a date is ISO 8601.
    """
    if data.startswith(_OLE):
        text = _("This Excel file is of an old kind or has a password. Save it as .xlsx without a password, or as CSV.")
        raise NotExcel(text)
    _check_size(data)
    try:
        return list(_rows(data))
    except NotExcel:
        raise
    except Exception as error:  # The reader raises whatever a broken file leads it to.
        text = _("This file cannot be read as Excel's .xlsx. Save it as .xlsx or CSV and try again.")
        raise NotExcel(text) from error


def _check_size(data: bytes) -> None:
    """Raise NotExcel if the file is no ZIP, or too large unpacked. No part unpacks to more than it states."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as parts:
            found = parts.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, UnicodeDecodeError) as error:
        raise NotExcel(_("This Excel file is damaged. Save it again and try again.")) from error
    total = sum(one.file_size for one in found)
    around = sum(one.file_size for one in found if not one.filename.startswith(_SHEETS))
    if total > MAX_UNPACKED or around > MAX_AROUND or len(found) > MAX_PARTS:
        raise _too_large()


def _too_large() -> NotExcel:
    return NotExcel(_("This Excel file is too large. Copy the lines to order into a new file with one sheet."))


def _rows(data: bytes) -> Iterator[list[str]]:
    from openpyxl import load_workbook  # Half a second to load, and few processes ever need it.

    book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
    try:
        sheet = next((one for one in book.worksheets if one.sheet_state == "visible"), None)
        if sheet is None:
            raise NotExcel(_("This Excel file has no sheet."))
        sheet.reset_dimensions()  # What the file states may cut rows off.
        total = 0
        for number, cells in enumerate(sheet.iter_rows(max_col=MAX_COLUMNS, values_only=True), start=1):
            if number > MAX_ROWS:
                text = _("This sheet has more than %(most)s rows. Copy the lines to order into a new file.")
                raise NotExcel(text % {"most": f"{MAX_ROWS:,}"})
            if any(isinstance(cell, str) and len(cell) > MAX_CELL for cell in cells):
                text = _("Row %(row)s has a cell with more than %(most)s characters. Shorten it and try again.")
                raise NotExcel(text % {"row": f"{number:,}", "most": f"{MAX_CELL:,}"})
            row = [_text(cell) for cell in cells]
            while row and not row[-1]:
                row.pop()
            total += sum(map(len, row))
            if total > MAX_CELLS:
                raise _too_large()
            yield row
    finally:
        book.close()


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, float):
        return f"{cell:.0f}" if cell.is_integer() and abs(cell) < MAX_EXACT else repr(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(" ")
    return cell.isoformat() if isinstance(cell, (date, time)) else str(cell).strip()
