"""Checks of an uploaded logo or favicon. What it is, is read from its bytes: names and declared types lie."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from xml.etree import ElementTree

MAX_BYTES = 200_000
MAX_ELEMENTS = 20_000
MAX_NAME = 100

PNG, SVG, ICO, JPEG, WEBP = "image/png", "image/svg+xml", "image/x-icon", "image/jpeg", "image/webp"
NAMES = {PNG: "PNG", SVG: "SVG", ICO: "ICO", JPEG: "JPEG", WEBP: "WebP"}

_SVG_SPACE = "http://www.w3.org/2000/svg"
# Elements of SVG that only draw. Others are refused: some run scripts, embed pages or change attributes later.
_DRAWING = frozenset(
    [
        "svg",
        "g",
        "defs",
        "symbol",
        "use",
        "title",
        "desc",
        "metadata",
        "style",
        "path",
        "rect",
        "circle",
        "ellipse",
        "line",
        "polyline",
        "polygon",
        "text",
        "tspan",
        "textPath",
        "linearGradient",
        "radialGradient",
        "stop",
        "clipPath",
        "mask",
        "pattern",
        "marker",
        "filter",
        "switch",
        "image",
        "view",
        "feBlend",
        "feColorMatrix",
        "feComponentTransfer",
        "feComposite",
        "feConvolveMatrix",
        "feDiffuseLighting",
        "feDisplacementMap",
        "feDistantLight",
        "feDropShadow",
        "feFlood",
        "feFuncA",
        "feFuncB",
        "feFuncG",
        "feFuncR",
        "feGaussianBlur",
        "feMerge",
        "feMergeNode",
        "feMorphology",
        "feOffset",
        "fePointLight",
        "feSpecularLighting",
        "feSpotLight",
        "feTile",
        "feTurbulence",
    ]
)
# What drawing programs leave behind. It draws nothing.
_HARMLESS_SPACES = (
    "http://www.inkscape.org/namespaces/inkscape",
    "http://sodipodi.sourceforge.net/DTD/sodipodi-0.dtd",
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "http://creativecommons.org/ns#",
    "http://purl.org/dc/elements/1.1/",
)
_XML_ENCODING = re.compile(r"\A\s*<\?xml[^>]*?encoding\s*=\s*[\"']([^\"']*)")
_REFERENCE = re.compile(r"url\s*\(\s*[\"']?([^\"')]*)")
_PICTURE_DATA = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*")


class FileRefused(Exception):
    """The file cannot be used. The message is for the field."""


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A file that may be stored and served."""

    content: bytes
    content_type: str
    name: str
    digest: str


def check_file(*, content: bytes, name: str, types: Sequence[str]) -> CheckedFile:
    """Return the file if it is of one of these content types and harmless. Raise FileRefused."""
    if not content:
        raise FileRefused("The file is empty.")
    if len(content) > MAX_BYTES:
        raise FileRefused(f"The file has {len(content) // 1000:,} KB. The most is {MAX_BYTES // 1000} KB.")
    found = content_type_of(content)
    if found not in types:
        allowed = [NAMES[one] for one in types]
        is_now = f"This is no {NAMES[found]} that can be used here" if found else "This is not a picture that is known"
        raise FileRefused(f"{is_now}. Choose {', '.join(allowed[:-1])} or {allowed[-1]}.")
    if found == SVG:
        check_svg(content)
    plain = "".join(sign for sign in PurePosixPath(name.replace("\\", "/")).name if sign.isprintable())
    return CheckedFile(content, found, plain[-MAX_NAME:] or "file", hashlib.sha256(content).hexdigest())


def content_type_of(content: bytes) -> str:
    """Return the content type by the first bytes; "" for what is none of ours."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if content.startswith(b"\xff\xd8\xff"):
        return JPEG
    if content.startswith(b"\x00\x00\x01\x00"):
        return ICO
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return WEBP
    head = content[:1_024].removeprefix(b"\xef\xbb\xbf").lstrip()
    return SVG if head.startswith(b"<") and b"<svg" in content[:MAX_BYTES] else ""


def check_svg(content: bytes) -> None:
    """Raise FileRefused for an SVG that is more than a drawing.

    The text is refused before it is parsed if it declares anything: entities can grow without bound and read files.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileRefused("Save the SVG as UTF-8.") from None
    declared = _XML_ENCODING.match(text)
    if declared and declared[1].lower() not in ("utf-8", "utf8", "us-ascii"):
        raise FileRefused("Save the SVG as UTF-8.")
    rest = re.sub(r"\A\s*<\?xml\s[^?>]*\?>", "", text)
    if re.search(r"<!(?!--)(?!\[CDATA\[)|<\?", rest):
        raise FileRefused("The SVG has a DOCTYPE or other declarations. Save it as plain SVG, without them.")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314  (nothing is declared)
    except (ElementTree.ParseError, RecursionError, ValueError):
        raise FileRefused("The SVG is not well-formed XML.") from None
    if root.tag != f"{{{_SVG_SPACE}}}svg":
        raise FileRefused("This is not an SVG.")
    for number, element in enumerate(root.iter()):
        if number > MAX_ELEMENTS:
            raise FileRefused(f"The SVG has more than {MAX_ELEMENTS:,} elements.")
        _check_element(element)


def _check_element(element: ElementTree.Element) -> None:
    space, _, name = element.tag.removeprefix("{").rpartition("}")
    if space not in (_SVG_SPACE, *_HARMLESS_SPACES) or (space == _SVG_SPACE and name not in _DRAWING):
        raise FileRefused(f"The SVG contains <{name}>, which can run or load something. Save it as plain SVG.")
    for attribute, value in element.attrib.items():
        word = attribute.rpartition("}")[2].lower()
        if word.startswith("on"):
            raise FileRefused(f"The SVG has the attribute {word}, which runs a script.")
        if word in ("href", "src", "base") and not _stays_inside(value):
            raise FileRefused("The SVG refers to something outside of it. Embed it, or take it out.")
        _check_style(value, is_sheet=word == "style")
    if name == "style":
        _check_style("".join(element.itertext()), is_sheet=True)


def _stays_inside(reference: str) -> bool:
    text = reference.strip()
    return text.startswith("#") or _PICTURE_DATA.fullmatch(text) is not None


def _check_style(text: str, *, is_sheet: bool = False) -> None:
    """Raise FileRefused for CSS that loads something. An escape could hide that from this check."""
    if is_sheet and ("\\" in text or "@import" in text.lower()):
        raise FileRefused("The SVG's style sheet loads something, or hides what it does.")
    lowered = text.lower()
    if "url" in lowered and "(" in lowered:
        for reference in _REFERENCE.findall(lowered):
            if not _stays_inside(reference):
                raise FileRefused("The SVG refers to something outside of it. Embed it, or take it out.")
    loads = ("expression(", "image-set(", "image(", "src(")
    if "javascript:" in re.sub(r"\s", "", lowered) or any(word in lowered for word in loads):
        raise FileRefused("The SVG contains a script.")
