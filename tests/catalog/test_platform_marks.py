"""Marks of platforms: each platform has one, and services and orders the right one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from catalog.platform_marks import OTHER, mark_of, platform_label, platform_of_order
from panel.lib.links.platforms import PLATFORMS

STATIC = Path(__file__).parents[2] / "panel" / "static"


@dataclass
class Ordered:
    service_name: str
    link: str


@pytest.mark.parametrize(
    ("name", "link", "platform"),
    [
        ("Instagram followers", "https://www.youtube.com/watch?v=abc", "instagram"),
        ("Followers, fast", "https://x.com/natgeo", "x"),
        ("Followers, fast", "@natgeo", OTHER),
        ("Instagram and Threads followers", "https://www.threads.net/@natgeo", "threads"),
        ("Visitors", "https://example.com/", OTHER),
        ("Visitors", "", OTHER),
    ],
)
def test_platform_of_order_when_the_name_or_else_the_link_tells_then_that(name, link, platform):
    assert platform_of_order(Ordered(name, link)) == platform


@pytest.mark.parametrize("platform", [*PLATFORMS, OTHER])
def test_mark_when_of_any_platform_then_its_glyph_is_in_the_sprite(platform):
    glyphs = set(re.findall(r'<symbol id="([^"]+)"', (STATIC / "platforms.svg").read_text()))
    [glyph] = re.findall(r'svg#([^"]+)"', mark_of(platform))
    assert glyph in glyphs


def test_mark_when_of_a_known_platform_then_named_and_sized():
    assert 'class="pf pf-x pf-24" title="X"' in mark_of("x", size=24)
    assert platform_label(OTHER) == ""


def test_sprite_when_read_then_its_licence_is_kept():
    assert "MIT" in (STATIC / "platforms.svg").read_text()
    assert "The MIT License" in (STATIC / "vendor" / "bootstrap-icons.LICENSE.txt").read_text()
