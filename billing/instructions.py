"""An owner's instructions as customers follow them: what they type into a bank's form stands apart, to copy. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby

MAX_LABEL, MAX_VALUE = 40, 100
# Words of a value; more are a sentence.
MAX_WORDS = 8
# Characters of a value without a colon before it: less is a number in a text.
MIN_VALUE = 8
# Of an address of a coin, which nobody types: a code to scan helps.
MIN_ADDRESS = 26


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text, or with `value` one to copy, under its `label`, which may be empty."""

    text: str
    label: str = ""
    value: str = ""
    # Of its line in the instructions.
    number: int = 0

    @property
    def is_address(self) -> bool:
        """Return True if a phone should scan the value: an address of a coin, not an IBAN."""
        is_iban = self.value[:2].isupper() and self.value[:2].isalpha() and self.value[2:4].isdigit()
        return len(self.value) >= MIN_ADDRESS and self.value.isalnum() and self.value.isascii() and not is_iban


@dataclass(frozen=True, slots=True)
class Block:
    """Lines of one kind: paragraphs in `text`, or `rows` to copy."""

    text: str
    rows: tuple[Line, ...]


def blocks_of(instructions: str) -> list[Block]:
    """Return the instructions in order, as texts and rows to copy."""
    lines = [replace(_line(one), number=number) for number, one in enumerate(instructions.splitlines())]
    return list(_blocks(lines))


def _blocks(lines: list[Line]) -> Iterator[Block]:
    for is_rows, group in groupby(lines, key=lambda line: bool(line.value)):
        found = tuple(group)
        text = "" if is_rows else "\n".join(line.text for line in found).strip()
        if is_rows or text:
            yield Block(text, found if is_rows else ())


def _line(text: str) -> Line:
    text = text.strip()
    if "://" in text:
        return Line(text)
    label, colon, value = (part.strip() for part in text.partition(":"))
    if colon and label and value and len(label) <= MAX_LABEL:
        return Line(text, label, value) if _is_short(value) else Line(text)
    words = text.split()
    begin = next((place for place, word in enumerate(words) if _has_digit(word)), len(words))
    label, value = " ".join(words[:begin]), " ".join(words[begin:])
    is_number = len(value) >= MIN_VALUE and all(_has_digit(word) or word.isupper() for word in words[begin:])
    return Line(text, label, value) if is_number and _is_short(value) and len(label) <= MAX_LABEL else Line(text)


def _is_short(value: str) -> bool:
    return len(value) <= MAX_VALUE and len(value.split()) <= MAX_WORDS and not value.endswith((".", "!", "?"))


def _has_digit(word: str) -> bool:
    return any(character.isdigit() for character in word)
