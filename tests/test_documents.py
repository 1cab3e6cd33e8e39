"""Documents for owners name everything that they can meet."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from orders.states import ReviewReason, StopReason
from panel.alerts.advice import ADVICE
from panel.alerts.causes import Cause

ROOT = Path(__file__).resolve().parent.parent


def first_columns(document: str) -> Counter[str]:
    """Return how often each first cell of the document's tables occurs."""
    rows = (line for line in (ROOT / document).read_text().splitlines() if line.startswith("| "))
    return Counter(row.split(" | ")[0].removeprefix("| ").strip("` ") for row in rows)


@pytest.mark.parametrize("kind", [Cause, ReviewReason, StopReason])
def test_what_can_go_wrong_when_read_then_names_each_once(kind):
    names = [one.of("…") if isinstance(one, Cause) else one.label for one in kind]  # type: ignore[arg-type]
    found = first_columns("docs/what-can-go-wrong.md")
    assert {name: found[name] for name in names} == dict.fromkeys(names, 1)


def test_what_can_go_wrong_when_read_then_advises_as_messages_do():
    rows = re.findall(r"^\| `([^`]+)` \| .+? \| (.+?) \| (.+?) \|$", text_of_alerts(), re.MULTILINE)
    found = {name: (plain(does), plain(you_do)) for name, does, you_do in rows}
    assert found == {cause.of("…"): (one.panel_does, one.you_do) for cause, one in ADVICE.items()}  # type: ignore[arg-type]


def text_of_alerts() -> str:
    text = (ROOT / "docs/what-can-go-wrong.md").read_text()
    return text.partition("## Alerts")[2].partition("## What needs nobody")[0]


def plain(cell: str) -> str:
    """Return a cell without links and marks."""
    cell = re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", cell).replace("`", "")
    return re.sub(r'"([^"]+)"', r"“\1”", cell)


@pytest.mark.parametrize(
    "document",
    ["README.md", "docs/providers.md", "docs/restore.md", "docs/rotate-keys.md", "docs/what-can-go-wrong.md"],
)
def test_links_when_to_files_and_sections_then_these_exist(document):
    path = ROOT / document
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", path.read_text()):
        name, _, section = target.partition("#")
        linked = path.parent / name if name else path
        assert linked.exists(), target
        if section:
            titles = re.findall(r"^#+ (.+)$", linked.read_text(), re.MULTILINE)
            assert section in {title.lower().replace(" ", "-") for title in titles}, target
