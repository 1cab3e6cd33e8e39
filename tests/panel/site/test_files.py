"""Logos and favicons: what is refused, and how what was kept is served."""

from __future__ import annotations

import hashlib

import pytest
from django.urls import reverse

from panel.site import files, stored
from panel.site import registry as site
from panel.site.files import ICO, JPEG, PNG, SVG, WEBP, FileRefused, check_file
from panel.site.services import Wanted, change_settings

BYTES = {
    PNG: b"\x89PNG\r\n\x1a\n" + bytes(20),
    JPEG: b"\xff\xd8\xff\xe0" + bytes(20),
    ICO: b"\x00\x00\x01\x00" + bytes(20),
    WEBP: b"RIFF\x24\x00\x00\x00WEBPVP8 " + bytes(20),
    SVG: b'<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0"/></svg>',
}
ALL = tuple(BYTES)


def svg(inside="", attributes=""):
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f"<svg {spaces} {attributes}>{inside}</svg>".encode()


def check(content, types=ALL):
    return check_file(content=content, name="x.svg", types=types)


@pytest.mark.parametrize("kind", ALL)
def test_file_when_checked_then_type_from_bytes_must_be_allowed(kind):
    found = check(BYTES[kind])
    assert (found.content_type, found.digest) == (kind, hashlib.sha256(BYTES[kind]).hexdigest())
    others = tuple(one for one in ALL if one != kind)
    with pytest.raises(FileRefused, match=f"no {files.NAMES[kind]} that can be used here"):
        check(BYTES[kind], types=others)


@pytest.mark.parametrize(
    "content",
    [b"", b"BM" + bytes(50), b"GIF89a" + bytes(50), b"<html><script>1</script></html>", b"%PDF-1.7", b"RIFF1234AVI "],
)
def test_file_when_of_no_kind_then_refused(content):
    with pytest.raises(FileRefused):
        check(content)


def test_file_when_too_large_then_refused_with_both_sizes():
    assert check(BYTES[PNG].ljust(files.MAX_BYTES, b"\0"))
    with pytest.raises(FileRefused, match="250 KB. The most is 200 KB"):
        check(BYTES[PNG].ljust(250_000, b"\0"))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("logo.png", "logo.png"),
        ("C:\\me\\l.png", "l.png"),
        ("../../l\n.png", "l.png"),
        ("", "file"),
        ("x" * 150, "x" * 100),
    ],
)
def test_name_when_odd_then_only_what_people_read(given, kept):
    assert check_file(content=BYTES[PNG], name=given, types=ALL).name == kept


@pytest.mark.parametrize(
    "content",
    [
        svg('<defs><linearGradient id="a"><stop offset="0"/></linearGradient></defs><rect fill="url(#a)"/>'),
        svg("<style>.a { fill: url('#a') }</style><text>A &amp; B, see the url (below)</text>"),
        svg('<use href="#a"/><use xlink:href="#a"/>'),
        svg('<image href="data:image/png;base64,iVBORw0KGgo="/>'),
        svg("<!-- made by hand --><title>Logo</title>"),
        b'\xef\xbb\xbf<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n' + svg("<path/>"),
        svg('<metadata><r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></metadata>'),
        svg("<style><![CDATA[.a { fill: red }]]></style>"),
    ],
)
def test_svg_when_it_only_draws_then_accepted(content):
    assert check(content).content_type == SVG


@pytest.mark.parametrize(
    "content",
    [
        svg("<script>alert(1)</script>"),
        svg("<SCRIPT>alert(1)</SCRIPT>"),
        svg('<x:script xmlns:x="http://www.w3.org/2000/svg">alert(1)</x:script>'),
        svg('<h:script xmlns:h="http://www.w3.org/1999/xhtml">alert(1)</h:script>'),
        svg("", 'onload="alert(1)"'),
        svg('<rect ONCLICK="alert(1)"/>'),
        svg('<rect xmlns:x="http://x.example" x:onclick="alert(1)"/>'),
        svg("<foreignObject/>"),
        svg('<iframe src="https://x.example"/>'),
        svg('<a href="https://x.example"><path/></a>'),
        svg('<animate attributeName="href" to="javascript:alert(1)"/>'),
        svg('<set attributeName="onmouseover" to="alert(1)"/>'),
        svg('<handler xmlns="http://www.w3.org/2001/xml-events"/>'),
        svg('<use href="https://x.example/a.svg#b"/>'),
        svg('<use xlink:href="//x.example/a.svg#b"/>'),
        svg('<use href="  javascript:alert(1)"/>'),
        svg('<use href="data:image/svg+xml;base64,PHN2Zz4="/>'),
        svg('<image href="data:text/html,x"/>'),
        svg('<image href="/account/"/>'),
        svg('<rect fill="url(https://x.example/a)"/>'),
        svg("<rect style=\"fill: URL ( '//x.example' )\"/>"),
        svg("<style>@import 'https://x.example/a.css';</style>"),
        svg("<style>.a { background: url(https://x.example) }</style>"),
        svg("<style>.a { background: u\\72l(https://x.example) }</style>"),
        svg("<style>@im<!-- -->port 'https://x.example';</style>"),
        svg("<style>.a { background: image-set('https://x.example' 1x) }</style>"),
        svg('<rect style="fill: u\\72l(https://x.example)"/>'),
        svg("<rect style=\"background: image('https://x.example')\"/>"),
        svg("<rect style=\"background: src('https://x.example')\"/>"),
        svg("", 'xml:base="https://x.example/"'),
        b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x">' + svg(),
        b'<!DOCTYPE s [<!ENTITY a "b">]>' + svg("&a;"),
        b'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + svg("<text>&x;</text>"),
        b'<?xml-stylesheet href="https://x.example/a.css"?>' + svg(),
        b'<?xml version="1.0" encoding="UTF-7"?>' + svg("+ADw-script+AD4-"),
        svg("<rect>"),
        svg().decode().encode("utf-16"),
        b"\xff\xfe<svg",
        b'<x xmlns="http://www.w3.org/2000/svg"><svg/></x>',
        b"<svg/>",
        svg("<g>" * 5_000 + "</g>" * 5_000 + "<script/>"),
        svg("<g/>" * (files.MAX_ELEMENTS + 1)),
    ],
)
def test_svg_when_it_could_run_or_load_something_then_refused(content):
    with pytest.raises(FileRefused, match=r"\.$"):
        check(content)


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ALL)
def test_file_when_served_then_it_cannot_act_and_is_cached_for_good(client, staff, kind):
    file = check(BYTES[kind])
    setting = site.PANEL_FAVICON if kind == ICO else site.PANEL_LOGO
    change_settings(actor=staff, wanted={setting.name: Wanted(file.digest, 0)}, files=[file])
    response = client.get(reverse("site_file", args=[file.digest]))
    assert (response.content, response["Content-Type"]) == (BYTES[kind], kind)
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in response["Cache-Control"] and "public" in response["Cache-Control"]
    assert response["Content-Security-Policy"] == "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    assert "Set-Cookie" not in response and "Vary" not in response


@pytest.mark.django_db
def test_file_when_unknown_then_not_found_and_no_setting(client, staff):
    assert client.get(reverse("site_file", args=["0" * 64])).status_code == 404
    with pytest.raises(Exception, match="Upload it again"):
        change_settings(actor=staff, wanted={"PANEL_LOGO": Wanted("0" * 64, 0)})
    with pytest.raises(Exception, match="digest"):
        change_settings(actor=staff, wanted={"PANEL_LOGO": Wanted("/account/", 0)})


@pytest.mark.django_db
def test_pages_when_logo_and_favicon_are_uploaded_then_shown(client, monkeypatch, settings):
    digest = "ab" * 32
    texts = {"PANEL_LOGO": digest, "PANEL_FAVICON": "cd" * 32}
    monkeypatch.setattr(stored, "_current", stored.Snapshot(texts, float("inf")))
    page = client.get("/account/login/").content.decode()
    assert f'<img src="/brand/{digest}"' in page and f'<link rel="icon" href="/brand/{"cd" * 32}">' in page
    settings.PANEL_LOGO_URL = "/static/mine.svg"
    assert '<img src="/static/mine.svg"' in client.get("/account/login/").content.decode()
