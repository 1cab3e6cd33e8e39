"""Checks of receipt files. The first bytes decide a file's type, not its name or the browser.

Pure, but for reading those bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _

MAX_BYTES = 5 * 1024 * 1024
MAX_NAME = 200
_HEAD = 16


class ReceiptRefused(Exception):
    """The file is not an accepted receipt. The message is for the customer."""


@dataclass(frozen=True, slots=True)
class FileType:
    """A type of file. `is_image`: a browser may show it inline."""

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
    """A checked file; `name` is the customer's, for display alone."""

    file: UploadedFile
    type: FileType
    name: str


def type_of(head: bytes) -> FileType | None:
    """Return the type of a file that begins with `head`; None if it is not accepted."""
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
    """Return the type of a stored file, from the suffix that its content determined."""
    return _TYPES.get(PurePath(path).suffix)


def check_receipt(file: UploadedFile) -> Receipt:
    """Return the file as a receipt. Raise ReceiptRefused if it is too large or of another type."""
    if (file.size or 0) > MAX_BYTES:
        raise ReceiptRefused(_("This file is too large: %(most)s MB at most.") % {"most": MAX_BYTES // 1024 // 1024})
    file.seek(0)
    found = type_of(file.read(_HEAD))
    file.seek(0)
    if found is None:
        raise ReceiptRefused(_("This is not a PNG, JPEG, WebP or PDF file. Choose a picture or a PDF of your receipt."))
    name = "".join(character for character in file.name or "" if character.isprintable())
    return Receipt(file=file, type=found, name=name[:MAX_NAME])
