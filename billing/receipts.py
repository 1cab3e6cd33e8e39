"""Checking the files that customers send as a receipt. What a file is, its first bytes say: not its name, not the
browser. Pure, but for reading those bytes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

from django.core.files.uploadedfile import UploadedFile

MAX_BYTES = 5 * 1024 * 1024
MAX_NAME = 200
_HEAD = 16


class ReceiptRefused(Exception):
    """The file is no receipt that is taken. The message is for the customer."""


@dataclass(frozen=True, slots=True)
class FileType:
    """`is_image`: a browser may show it in place."""

    suffix: str
    content_type: str
    is_image: bool


PNG = FileType(".png", "image/png", True)
JPEG = FileType(".jpg", "image/jpeg", True)
WEBP = FileType(".webp", "image/webp", True)
PDF = FileType(".pdf", "application/pdf", False)
_TYPES = {one.suffix: one for one in (PNG, JPEG, WEBP, PDF)}
ACCEPTED = ",".join(one.content_type for one in _TYPES.values())


@dataclass(frozen=True, slots=True)
class Receipt:
    """A file that was checked; `name` is the customer's, for people to read and nothing else."""

    file: UploadedFile
    type: FileType
    name: str


def type_of(head: bytes) -> FileType | None:
    """What a file that begins with `head` is; None for what is not taken."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if head.startswith(b"%PDF-"):
        return PDF
    return None


def type_of_stored(path: str) -> FileType | None:
    """What was stored there: the suffix is the one that its content was given."""
    return _TYPES.get(PurePath(path).suffix)


def check_receipt(file: UploadedFile) -> Receipt:
    """The file as a receipt. Raises ReceiptRefused."""
    if (file.size or 0) > MAX_BYTES:
        raise ReceiptRefused(f"This file is too large: {MAX_BYTES // 1024 // 1024} MB at most.")
    file.seek(0)
    found = type_of(file.read(_HEAD))
    file.seek(0)
    if found is None:
        raise ReceiptRefused("This is not a PNG, JPEG, WebP or PDF file. Choose a picture or a PDF of your receipt.")
    name = "".join(character for character in file.name or "" if character.isprintable())
    return Receipt(file=file, type=found, name=name[:MAX_NAME])
