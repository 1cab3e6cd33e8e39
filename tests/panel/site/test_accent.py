"""The owner may choose any accent: text in it and on it stays readable."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from panel.site import accent
from panel.site.templatetags.brand import theme_url

CHANNEL = st.integers(0, 255)


@given(st.tuples(CHANNEL, CHANNEL, CHANNEL))
def test_accent_when_any_colour_then_every_text_has_enough_contrast(colour: accent.Rgb) -> None:
    assert accent.contrast(accent.on_colour(colour), colour) >= accent.READABLE
    for surfaces, towards in ((accent.LIGHT_SURFACES, accent.BLACK), (accent.DARK_SURFACES, accent.WHITE)):
        shade = accent.readable(colour, surfaces=surfaces, towards=towards)
        for surface in map(accent.parse_hex, surfaces):
            assert accent.contrast(shade, surface) >= accent.READABLE
            assert accent.contrast(shade, accent.mix(surface, shade, accent.TINT)) >= accent.READABLE


def test_contrast_when_black_on_white_then_21() -> None:
    assert accent.contrast(accent.BLACK, accent.WHITE) == pytest.approx(21)


def test_parse_hex_when_short_then_doubled() -> None:
    assert accent.parse_hex("#0af") == (0, 170, 255)


@pytest.mark.parametrize("text", ["", "red", "#12", "#12345", "#4f46e5}body{display:none", "url(https://x.example)"])
def test_stylesheet_when_not_a_colour_then_the_default(text: str) -> None:
    assert accent.stylesheet(text) == accent.stylesheet(accent.DEFAULT)


def test_surfaces_when_compared_with_the_theme_then_the_same() -> None:
    css = (Path(settings.BASE_DIR) / "panel" / "static" / "css" / "theme.css").read_text()
    light, dark = css.split('[data-bs-theme="dark"] {', 1)
    for theme, surfaces in ((light, accent.LIGHT_SURFACES), (dark, accent.DARK_SURFACES)):
        used = re.findall(r"--(?:page|sunken|raised): (#[0-9a-f]{3,6});", theme)
        assert {accent.parse_hex(surface) for surface in surfaces} == set(map(accent.parse_hex, used))


def test_theme_css_when_requested_then_a_stylesheet_cached_for_good(client: Client, settings: object) -> None:
    settings.PANEL_ACCENT = "#0f766e"  # type: ignore[attr-defined]
    response = client.get(theme_url())
    assert response["Content-Type"].startswith("text/css")
    assert "immutable" in response["Cache-Control"]
    assert b"--accent: #0f766e" in response.content


def test_theme_css_when_url_names_another_colour_then_it_is_used(client: Client) -> None:
    """What is cached under an address for good must not be the colour from before."""
    assert b"--accent: #112233" in client.get("/theme.css?v=112233").content
    unnamed = client.get("/theme.css?v=}body{")
    assert b"--accent: #4f46e5" in unnamed.content and unnamed["Cache-Control"] == "no-cache"


@given(st.tuples(CHANNEL, CHANNEL, CHANNEL))
def test_palette_when_any_colour_then_600_and_400_are_readable(colour: accent.Rgb) -> None:
    shades = {name: accent.parse_hex(shade) for name, shade in accent.palette(accent.to_hex(colour)).items()}
    assert list(shades) == ["50", "100", "200", "300", "400", "500", "600", "700", "800", "900", "950"]
    assert accent.contrast(accent.WHITE, shades["600"]) >= accent.READABLE
    assert all(accent.contrast(shades["400"], accent.parse_hex(one)) >= accent.READABLE for one in accent.DARK_SURFACES)


def test_look_of_when_it_cannot_be_read_then_told_with_the_shade() -> None:
    look = accent.look_of("#0f766e")
    assert [(fact.is_good, fact.text) for fact in look.facts] == [
        (True, "5.5 : 1 with white text on it"),
        (True, "5.5 : 1 as text on light pages"),
        (False, f"3.4 : 1 as text on dark pages: there it is lightened to {look.dark}"),
    ]
