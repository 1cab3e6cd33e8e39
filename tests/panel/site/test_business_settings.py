"""The owner's details for statements and receipts."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from panel.site.business_settings import BUSINESS_ADDRESS, BUSINESS_NAME
from panel.site.models import StoredSetting


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ""),
        (" 1 Quay \r\n\r\n Bristol \n", "1 Quay\n\nBristol"),
        (r"1 Quay\nBristol", "1 Quay\nBristol"),  # As an environment has it.
    ],
)
def test_lines_when_written_then_kept_as_lines(text, value):
    assert BUSINESS_ADDRESS.parse(text) == value == BUSINESS_ADDRESS.parse(BUSINESS_ADDRESS.text_of(value))


@pytest.mark.parametrize("text", ["x\n" * 9, "1 Quay\x00", "x" * 401])
def test_lines_when_too_many_long_or_unprintable_then_refused(text):
    with pytest.raises(ValueError, match=r"^Use "):
        BUSINESS_ADDRESS.parse(text)


@pytest.mark.django_db
def test_page_when_an_address_is_saved_then_its_lines_come_back(staff_client):
    sent = {
        "group": "business",
        "BUSINESS_ADDRESS": "1 Quay\r\nBristol",
        "seen-BUSINESS_ADDRESS": "0",
        "was-BUSINESS_ADDRESS": "",
    }
    page = staff_client.post(reverse("settings"), sent, follow=True).content.decode()
    assert StoredSetting.objects.get(name="BUSINESS_ADDRESS").value == "1 Quay\nBristol"
    assert re.search(r'<textarea[^>]*name="BUSINESS_ADDRESS"[^>]*>\s*1 Quay\nBristol</textarea>', page)
    assert BUSINESS_NAME.value == ""
