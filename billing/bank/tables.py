"""A bank's file as a table: rows of cells under a header. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from panel.lib.csv_files import NotCSV, decoded, rows_of

# Bytes of a file, and rows of it: some years of a shop.
MAX_FILE = 512 * 1024
MAX_ROWS = 5_000
MAX_COLUMNS = 60
# Rows before the header: banks write the account and its owner above.
MAX_PREAMBLE = 30
DELIMITERS = ";,\t|"


@dataclass(frozen=True, slots=True)
class Table:
    """`rows` have the number of their line in the file, and as many cells as the bank wrote."""

    header: list[str]
    rows: list[tuple[int, list[str]]]


def text_of(data: bytes) -> str:
    """Return the text of a bank's file, in UTF-8, UTF-16 or as Windows writes it. Raise NotCSV."""
    if len(data) > MAX_FILE:
        raise NotCSV(f"The file is larger than {MAX_FILE // 1024} KB. Export a shorter time.")
    if b"\0" not in data:
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            # Bytes that mean nothing there are what Latin-1 says they are.
            return data.decode("cp1252", "replace")
    return decoded(data)


def read_rows(text: str) -> list[tuple[int, list[str]]]:
    """Return the rows that are not empty, split where most of them split alike. Raise NotCSV."""
    rows = list(rows_of(text, delimiter=_delimiter_of(text)))
    if not rows:
        raise NotCSV("The file is empty.")
    if len(rows) > MAX_ROWS:
        raise NotCSV(f"The file has {len(rows):,} rows, and at most {MAX_ROWS:,} are read. Export a shorter time.")
    if max(len(cells) for _, cells in rows) > MAX_COLUMNS:
        raise NotCSV(f"The file has more than {MAX_COLUMNS} columns. This is no bank statement.")
    return rows


def _delimiter_of(text: str) -> str:
    """Return the character that splits the most lines; where several do, the one that splits them the most."""
    lines = [line for line in text.splitlines() if line.strip()][:200]

    def splits(character: str) -> tuple[int, int]:
        counts = [line.count(character) for line in lines]
        return sum(map(bool, counts)), sum(counts)

    return max(DELIMITERS, key=splits)
