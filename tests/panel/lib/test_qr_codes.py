"""QR codes in pages."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from django.template import Context, Template


def drawn(text: str, label: str = "Scan it") -> str:
    return Template("{% load qr_codes %}{% qr_code text label %}").render(Context({"text": text, "label": label}))


@pytest.mark.parametrize("text", ["bitcoin:bc1q?amount=0.01", "</svg><script>", 'a"b', "Überweisung", "x" * 600])
def test_qr_code_when_drawn_then_squares_alone(text):
    found = drawn(text)
    [picture] = ET.fromstring(found)
    assert [part.tag.split("}")[-1] for part in picture] == ["path", "path"]
    assert text not in found


@pytest.mark.parametrize("text", ["", "x" * 601])
def test_qr_code_when_not_readable_then_nothing(text):
    assert drawn(text) == ""


def test_qr_code_when_labeled_then_escaped():
    assert 'aria-label="&lt;b&gt;"' in drawn("x", "<b>")
