"""The owner's accent colour, and shades of it that stay readable in both themes.

WCAG 2 contrast: text needs 4.5 : 1 against its background. The owner may choose any colour, so the text on a button
and the colour of a link are computed.

The contrast is nine lines of our own: `wcag-contrast-ratio` was last released in 2015, and `coloraide`, which is
well maintained, is three megabytes and nine times as slow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

DEFAULT = "#4f46e5"
READABLE = 4.5

# The backgrounds of accent-coloured text, as set in css/theme.css.
LIGHT_SURFACES = ("#ffffff", "#f6f7f9")
DARK_SURFACES = ("#0b0d11", "#101318", "#161a20")
TINT = 0.12

Rgb = tuple[int, int, int]
BLACK: Rgb = (0, 0, 0)
WHITE: Rgb = (255, 255, 255)


def parse_hex(text: str) -> Rgb:
    """Return the channels of "#rgb" or "#rrggbb"; those of the default for anything else."""
    if not re.fullmatch(r"#(?:[0-9a-fA-F]{3}){1,2}", text):
        return parse_hex(DEFAULT)
    digits = text[1:] if len(text) == 7 else "".join(digit * 2 for digit in text[1:])
    return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)


def to_hex(colour: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def mix(colour: Rgb, other: Rgb, share: float) -> Rgb:
    """Return `colour` mixed with `share` (0…1) of `other`."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return red, green, blue


def luminance(colour: Rgb) -> float:
    red, green, blue = (
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
        for channel in (value / 255 for value in colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Rgb, other: Rgb) -> float:
    """Return the contrast, from 1 (the same) to 21 (black on white)."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def on_colour(colour: Rgb) -> Rgb:
    """Return black or white, whichever reads better on `colour`."""
    return WHITE if contrast(WHITE, colour) >= contrast(BLACK, colour) else BLACK


def readable(accent: Rgb, *, surfaces: Iterable[str], towards: Rgb) -> Rgb:
    """Return `accent`, moved towards `towards` until it reads on each surface, tinted with it or not."""
    plain = [parse_hex(surface) for surface in surfaces]
    for step in range(51):
        shade = mix(accent, towards, step / 50)
        tinted = [mix(surface, shade, TINT) for surface in plain]
        if all(contrast(shade, surface) >= READABLE for surface in plain + tinted):
            return shade
    return towards


@dataclass(frozen=True, slots=True)
class Fact:
    """One line about how an accent reads."""

    is_good: bool
    text: str


@dataclass(frozen=True, slots=True)
class Look:
    """An accent with its shades as #rrggbb: text on it, and itself as text on light and on dark pages."""

    accent: str
    on_accent: str
    light: str
    dark: str
    facts: list[Fact]


def look_of(text: str) -> Look:
    """Return the shades of an accent, and how they read. Text that is not a colour becomes the default."""
    accent = parse_hex(text)
    on_accent = on_colour(accent)
    light = readable(accent, surfaces=LIGHT_SURFACES, towards=BLACK)
    dark = readable(accent, surfaces=DARK_SURFACES, towards=WHITE)
    word = "white" if on_accent == WHITE else "black"
    facts = [
        Fact(True, f"{contrast(on_accent, accent):.1f} : 1 with {word} text on it"),
        _as_text(accent, light, LIGHT_SURFACES[0], "light", "darkened"),
        _as_text(accent, dark, DARK_SURFACES[1], "dark", "lightened"),
    ]
    return Look(to_hex(accent), to_hex(on_accent), to_hex(light), to_hex(dark), facts)


def _as_text(accent: Rgb, shade: Rgb, surface: str, page: str, moved: str) -> Fact:
    ratio = contrast(accent, parse_hex(surface))
    figure = f"{ratio:.1f} : 1 as text on {page} pages"
    # On tinted ground it may be shaded a little all the same.
    if ratio >= READABLE:
        return Fact(True, figure)
    return Fact(False, f"{figure}: there it is {moved} to {to_hex(shade)}")


# The admin's shades by number: what is mixed into the accent as it reads on light pages, and how much of it. 600 fills
# buttons with white text on them.
_LIGHT_SHADES = {50: 0.94, 100: 0.88, 200: 0.76, 500: 0.12}
_DEEP_SHADES = {700: 0.14, 800: 0.28, 900: 0.42, 950: 0.64}


@lru_cache(maxsize=8)
def palette(text: str) -> dict[str, str]:
    """Return the accent's shades for the admin, by unfold's numbers from "50" (nearly white) to "950"."""
    look = look_of(text)
    light, dark = parse_hex(look.light), parse_hex(look.dark)
    shades = {
        **{number: mix(light, WHITE, share) for number, share in _LIGHT_SHADES.items()},
        300: mix(dark, WHITE, 0.3),
        400: dark,
        600: light,
        **{number: mix(light, BLACK, share) for number, share in _DEEP_SHADES.items()},
    }
    return {str(number): to_hex(shades[number]) for number in sorted(shades)}


def stylesheet(text: str) -> str:
    """Return the CSS variables of an accent. Text that is not a colour becomes the default: nothing can be injected."""
    look = look_of(text)
    away = to_hex(BLACK if look.on_accent == to_hex(WHITE) else WHITE)
    return (
        ":root {\n"
        f"  --accent: {look.accent};\n"
        f"  --on-accent: {look.on_accent};\n"
        f"  --accent-hover: color-mix(in srgb, var(--accent) 86%, {away});\n"
        f"  --accent-text: {look.light};\n"
        f"  --accent-tint: color-mix(in srgb, var(--accent-text) {TINT:.0%}, transparent);\n"
        "}\n"
        f'[data-bs-theme="dark"] {{\n  --accent-text: {look.dark};\n}}\n'
    )
