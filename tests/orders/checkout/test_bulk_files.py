"""Files of bulk orders: encodings of CSV, and Excel files that may be broken or hostile."""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime
from typing import Any

import pytest
from openpyxl import Workbook

from orders.checkout.bulk_columns import LinesRefused
from orders.checkout.bulk_files import MAX_FILE, FileText, lines_of_file
from orders.checkout.bulk_text import read_lines
from panel.lib.excel_files import MAX_AROUND, MAX_UNPACKED, NotExcel, sheet_rows

LINK = "https://example.com/a"
ROWS = "7,https://example.com/ü,100\n8,https://example.com/b,200"


def excel(*rows: list[Any], **properties: Any) -> bytes:
    """Return an Excel file of these rows."""
    book = Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    for name, value in properties.items():
        setattr(book.worksheets[0], name, value)
    return saved(book)


def saved(book: Workbook) -> bytes:
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def with_part(data: bytes, name: str, text: bytes) -> bytes:
    """Return the Excel file with one part of it replaced."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.infolist():
            new.writestr(part.filename, text if part.filename == name else old.read(part))
    return file.getvalue()


SHEET = "xl/worksheets/sheet1.xml"


def sheet(rows: str, before: str = "") -> bytes:
    head = '<?xml version="1.0" encoding="UTF-8"?>' + before
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return f'{head}<worksheet xmlns="{space}"><sheetData>{rows}</sheetData></worksheet>'.encode()


@pytest.mark.parametrize(
    ("encoding", "mark", "is_guess"),
    [
        ("utf-8", b"", False),
        ("utf-8-sig", b"", False),
        ("utf-16", b"", False),
        ("utf-16-le", b"\xff\xfe", False),
        ("utf-16-be", b"\xfe\xff", False),
        ("cp1252", b"", True),
    ],
)
def test_csv_file_when_in_an_encoding_of_spreadsheets_then_it_is_read(encoding, mark, is_guess):
    assert lines_of_file(mark + ROWS.encode(encoding)) == FileText(ROWS, is_guess)


def test_csv_file_when_a_cell_has_line_ends_then_it_becomes_one_line():
    assert lines_of_file(b'7,"https://example.com/a\n8 | b",100').text == "7\thttps://example.com/a\\n8 | b\t100"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no lines"),
        (b" \n\r\n", "no lines"),
        (b"\x89PNG\r\n\x1a\n\0\0", "not a CSV file"),
        ("7,x,1".encode("utf-32"), "not a CSV file"),
        (b"\xff\xfe7\0,\0x\0\xd8", "not a CSV file"),
        (b"7,\x81\x8d", "letters of this file"),
        (b"7," + b"x" * MAX_FILE, "too large: 1,000 KB"),
    ],
)
def test_file_when_it_cannot_be_read_then_the_error_says_why(data, words):
    with pytest.raises(LinesRefused, match=words):
        lines_of_file(data)


# -- Excel -------------------------------------------------------------------------------------------


def test_excel_file_when_saved_by_excel_then_its_values_are_lines():
    text = lines_of_file(
        excel(
            ["service", "link", "quantity", "comments", "note"],
            [7.0, LINK, 1000.0, None, True],
            [],
            [8, LINK, 1000.5, "Nice!\nSo | good\r\nWow", None],
            ["9", " @me ", "1,000", None, datetime(2026, 11, 28, 22, 5)],
            [10, LINK, date(2026, 1, 2)],
        )
    ).text
    assert text.split("\n") == [
        "service | link | quantity | comments | note",
        f"7 | {LINK} | 1000 |  | TRUE",
        "",
        f"8\t{LINK}\t1000.5\tNice!\\nSo | good\\nWow",
        "9 | @me | 1,000 |  | 2026-11-28 22:05:00",
        f"10 | {LINK} | 2026-01-02 00:00:00",
    ]
    assert [line.number for line in read_lines(text)] == [2, 4, 5, 6]


def test_excel_file_when_cells_are_formulas_then_their_stored_values_are_read():
    rows = '<row r="1"><c r="A1"><f>3+4</f><v>7</v></c><c r="B1" t="str"><f>"@"&amp;"me"</f><v>@me</v></c></row>'
    assert sheet_rows(with_part(excel(["x"]), SHEET, sheet(rows))) == [["7", "@me"]]
    assert sheet_rows(excel(["=3+4", "@me"])) == [["", "@me"]]


def test_excel_file_when_it_has_several_sheets_then_first_visible_is_read():
    book = Workbook()
    book.worksheets[0].append(["hidden"])
    book.worksheets[0].sheet_state = "hidden"
    for name in ("seen", "other"):
        book.create_sheet().append([name])
    book.active = 1
    assert sheet_rows(saved(book)) == [["seen"]]


def test_excel_file_when_it_states_a_smaller_size_then_all_rows_are_read():
    rows = "".join(f'<row r="{n}"><c r="A{n}"><v>{n}</v></c></row>' for n in range(1, 4))
    part = sheet(rows).replace(b"<sheetData>", b'<dimension ref="A1:A1"/><sheetData>')
    assert sheet_rows(with_part(excel(["x"]), SHEET, part)) == [["1"], ["2"], ["3"]]


LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9)
)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("old", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "of an old kind or has a password"),
        ("cut", excel(["x"])[:-200], "damaged"),
        ("not Excel", b"PK\x03\x04" + b"x" * 200, "damaged"),
        ("no workbook", with_part(excel(["x"]), "xl/workbook.xml", b""), "cannot be read"),
        ("no XML", with_part(excel(["x"]), SHEET, b"<worksheet"), "cannot be read"),
        (
            "laughs",
            with_part(excel(["x"]), SHEET, sheet('<row r="1"><c r="A1" t="str"><v>&j;</v></c></row>', f"{LAUGHS}]>")),
            "cannot be read",
        ),
        (
            "one entity",
            with_part(
                excel(["x"]),
                SHEET,
                sheet('<row r="1"><c r="A1" t="str"><v>&a;</v></c></row>', '<!DOCTYPE x [<!ENTITY a "7">]>'),
            ),
            "cannot be read",
        ),
        (
            "an entity of a file",
            with_part(
                excel(["x"]),
                SHEET,
                sheet(
                    '<row r="1"><c r="A1" t="str"><v>&a;</v></c></row>',
                    '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>',
                ),
            ),
            "cannot be read",
        ),
        ("a bomb", with_part(excel(["x"]), SHEET, sheet(" " * MAX_UNPACKED)), "too large"),
        (
            "a bomb in the styles",
            with_part(excel(["x"]), "xl/styles.xml", b"<styleSheet>" + b"<xf/>" * MAX_AROUND),
            "too large",
        ),
        ("a bomb beside the sheets", with_part(excel(["x"]), "docProps/app.xml", b" " * (MAX_AROUND + 1)), "too large"),
        ("one text in many cells", excel(["x" * 30_000] * 20), "too large"),
        (
            "a text longer than Excel's",
            with_part(excel(["x"]), SHEET, sheet(f'<row r="1"><c r="A1" t="str"><v>{"x" * 32_768}</v></c></row>')),
            "Row 1 has a cell with more than 32,767 characters",
        ),
        (
            "a row far below",
            with_part(excel(["x"]), SHEET, sheet('<row r="1048576"><c r="A1048576"><v>1</v></c></row>')),
            "more than 10,000 rows",
        ),
    ],
)
def test_excel_file_when_broken_or_hostile_then_the_error_says_what_to_do(name, data, words):
    with pytest.raises(NotExcel, match=words):
        sheet_rows(data)
    with pytest.raises(LinesRefused, match=words):
        lines_of_file(data)


def test_excel_file_when_a_cell_is_far_to_the_right_then_it_is_not_read():
    rows = '<row r="1"><c r="A1"><v>7</v></c><c r="XFD1"><v>8</v></c></row>'
    assert sheet_rows(with_part(excel(["x"]), SHEET, sheet(rows))) == [["7"]]


def test_zip_when_its_part_is_larger_than_stated_then_no_more_is_unpacked():
    """The size that the ZIP states bounds what is read, so the check of the sizes suffices."""
    data = with_part(excel(["x"]), SHEET, sheet(" " * MAX_UNPACKED))
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        size = parts.getinfo(SHEET).file_size
    lied = data.replace(size.to_bytes(4, "little"), (1_000).to_bytes(4, "little"))
    assert lied != data
    with pytest.raises(NotExcel):
        sheet_rows(lied)
