"""The clients that the documentation shows: whole programs, which the tests run as shown."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from panel.site.names import key_variable

FOLDER = Path(__file__).parent / "snippet_files"
# The address in the files, so that each is a complete program.
PLACEHOLDER = "https://panel.example.com/api/v2"
KEY_PLACEHOLDER = "UPMARK_KEY"

_LANGUAGES = (
    ("python", "Python", "client.py", "Python 3.8, standard library only"),
    ("php", "PHP", "client.php", "PHP 8.0 with its curl extension"),
    ("node", "JavaScript", "client.mjs", "Node.js 18, no packages"),
)


@dataclass(frozen=True, slots=True)
class Snippet:
    """A client in one language. `file` is the name that its usage lines call it by."""

    slug: str
    label: str
    file: str
    needs: str
    text: str


def snippets(*, address: str) -> list[Snippet]:
    """Return all clients, with the panel's own address and name of the key filled in."""
    key = key_variable()
    return [
        Snippet(slug, label, file, needs, _text_of(slug).replace(PLACEHOLDER, address).replace(KEY_PLACEHOLDER, key))
        for slug, label, file, needs in _LANGUAGES
    ]


@cache
def _text_of(slug: str) -> str:
    return (FOLDER / f"{slug}.txt").read_text().rstrip("\n")
