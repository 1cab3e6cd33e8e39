"""Badges and progress of orders and refills: colour, icon and words, with no number claimed that is not known."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.template import Context, Template

from orders.states import REFILL_BADGES, STATUS_BADGES, RefillState, Status
from orders.templatetags import orders_display

HOSTILE = '"><script>alert(1)</script>'


@pytest.mark.parametrize("status", Status.values)
def test_status_badge_when_known_then_colour_icon_and_word(status: str) -> None:
    meaning, picture = STATUS_BADGES[status]
    shown = orders_display.status_badge(status)
    assert f"is-{meaning}" in shown
    assert f"#{picture}" in shown
    assert Status(status).label in shown


@pytest.mark.parametrize("state", RefillState.values)
def test_refill_badge_when_known_then_colour_icon_and_word(state: str) -> None:
    meaning, picture = REFILL_BADGES[state]
    shown = orders_display.refill_badge(state)
    assert f"is-{meaning}" in shown
    assert f"#{picture}" in shown
    assert RefillState(state).label in shown


def test_delivered_progress_when_unknown_then_no_number_is_claimed() -> None:
    part = SimpleNamespace(status=Status.PARTIAL, quantity=1000, delivered=843)
    assert "843 of 1,000" in orders_display.delivered_progress(part)
    assert 'max="1000" value="843"' in orders_display.delivered_progress(part)
    unknown = SimpleNamespace(status=Status.PENDING, quantity=1000, delivered=None)
    assert "0 of 1,000" in orders_display.delivered_progress(unknown)
    unknown.status = Status.IN_PROGRESS
    assert "— of 1,000" in orders_display.delivered_progress(unknown)


@pytest.mark.parametrize(
    ("status", "delivered", "words", "bar"),
    [
        (Status.PENDING, None, ">0 of 1,000<", None),
        (Status.IN_PROGRESS, None, ">— of 1,000<", None),
        (Status.IN_PROGRESS, 0, ">0 of 1,000<", 0),
        (Status.PROCESSING, 843, ">843 of 1,000<", 843),
        (Status.PARTIAL, 281, ">281 of 1,000<", 281),
        (Status.COMPLETED, 1000, ">1,000<", None),
        (Status.CANCELED, 0, ">0 of 1,000<", None),
        (Status.CANCELED, 60, ">60 of 1,000<", None),
    ],
)
def test_delivered_count_when_in_a_status_then_a_bar_only_for_a_part(status, delivered, words, bar) -> None:
    order = SimpleNamespace(status=status, quantity=1000, delivered=delivered, service_type="default")
    shown = orders_display.delivered_count(order)
    assert words in shown
    assert ("<progress" in shown) == (bar is not None)
    assert bar is None or f'max="1000" value="{bar}"' in shown


@pytest.mark.parametrize("tag", ["status_badge", "refill_badge", "drip_badge"])
def test_badge_when_given_markup_then_escaped(tag: str) -> None:
    shown = Template("{% load orders_display %}{% " + tag + " text %}").render(Context({"text": HOSTILE}))
    assert "<script" not in shown
    assert "&lt;script" in shown
