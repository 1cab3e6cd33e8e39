"""Files of bulk orders as text: CSV in the encodings of spreadsheets, and Excel. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from orders.checkout.bulk_columns import LinesRefused
from orders.checkout.bulk_text import one_line, with_one_line_each
from panel.lib.csv_files import NotCSV, decoded
from panel.lib.excel_files import NotExcel, is_excel, sheet_rows

# Bytes of a file.
MAX_FILE = 1_000_000


@dataclass(frozen=True, slots=True)
class FileText:
    """The lines of a file. `is_guess` means that its encoding was guessed: letters beyond ASCII may be others."""

    text: str
    is_guess: bool = False


def lines_of_file(data: bytes) -> FileText:
    """Return the rows of a CSV or Excel file, each as one line. Raise LinesRefused if it cannot be read."""
    if len(data) > MAX_FILE:
        raise LinesRefused(_("This file is too large: %(most)s KB at most.") % {"most": f"{MAX_FILE // 1000:,}"})
    try:
        if is_excel(data):
            found = FileText("\n".join(one_line(row) for row in sheet_rows(data)).rstrip("\n"))
        else:
            found = _decoded(data)
    except (NotCSV, NotExcel) as error:
        raise LinesRefused(str(error)) from error
    if not found.text.strip():
        raise LinesRefused(_("This file holds no lines to order."))
    return found


def _decoded(data: bytes) -> FileText:
    try:
        return FileText(with_one_line_each(decoded(data)))
    except NotCSV:
        if b"\0" in data:
            raise
    try:
        # What older Excel writes as soon as there is a letter beyond ASCII.
        return FileText(with_one_line_each(data.decode("cp1252")), is_guess=True)
    except UnicodeDecodeError as error:
        raise NotCSV(_("The letters of this file cannot be read. Save it as “CSV UTF-8” and try again.")) from error
