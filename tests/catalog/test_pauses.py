"""Pauses of sending to a provider: what begins them, how they grow, and what ends them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from catalog.models import Provider
from catalog.pauses import (
    FIRST_PAUSE,
    PauseKind,
    note_clear_answer,
    note_failure,
    note_success,
    pause_provider,
    try_again,
    usable_providers,
)
from panel.alerts.models import Alert
from tests.scenes import at_once

pytestmark = pytest.mark.django_db


def fail(provider: Any, kind: PauseKind = PauseKind.DOUBT) -> bool:
    return note_failure(provider=provider, kind=kind, text="gave no answer")


def is_paused() -> bool:
    return not usable_providers().exists()


def end_pause() -> None:
    Provider.objects.update(paused_until=timezone.now() - timedelta(seconds=1))


def pauses() -> tuple[int, timedelta]:
    """Return how many pauses came in a row, and how long the present one is left."""
    provider = Provider.objects.get()
    return provider.pause_count, (provider.paused_until or timezone.now()) - timezone.now()


def test_failures_when_three_in_a_row_then_paused(provider: Any) -> None:
    assert [fail(provider), fail(provider), is_paused(), fail(provider)] == [False, False, False, True]
    assert is_paused()
    assert Alert.objects.get().text == f"{provider.name}: gave no answer"


@pytest.mark.parametrize("end", [note_clear_answer, note_success])
def test_failures_when_an_answer_comes_between_then_not_paused(provider: Any, end: Any) -> None:
    for _ in range(3):
        assert not fail(provider)
        assert not fail(provider)
        end(provider=provider)
    assert not is_paused()


def test_pause_when_over_then_one_failure_begins_a_longer_one(provider: Any) -> None:
    for _ in range(3):
        fail(provider)
    end_pause()
    assert not is_paused()
    assert fail(provider)
    count, left = pauses()
    assert (count, left > FIRST_PAUSE * 1.5) == (2, True)
    note_success(provider=provider)
    assert (pauses()[0], Alert.objects.filter(resolved_at=None).exists()) == (0, False)
    assert not fail(provider)


def test_pause_when_paused_already_then_it_does_not_grow(provider: Any) -> None:
    """Several orders of the same moment are refused for the same reason."""
    for _ in range(3):
        pause_provider(provider=provider, kind=PauseKind.FUNDS, text="no funds", amount=5)
    assert pauses()[0] == 1


@pytest.mark.django_db(transaction=True)
def test_pause_when_lanes_fail_at_once_then_it_counts_once(provider: Any) -> None:
    at_once(6, lambda number: fail(provider))
    assert pauses()[0] == 1


@pytest.mark.parametrize(
    ("kind", "amount", "balance", "expected"),
    [
        (PauseKind.UNREACHABLE, None, None, True),
        (PauseKind.CREDENTIALS, None, 0, True),
        (PauseKind.SETUP, None, 0, True),
        (PauseKind.FUNDS, 500, 500, True),
        (PauseKind.FUNDS, 500, 499, False),
        (PauseKind.FUNDS, 500, None, False),
        (PauseKind.DOUBT, None, 500, False),
        (PauseKind.THROTTLED, None, 500, False),
    ],
)
def test_pause_when_another_call_is_answered_then_one_order_is_tried(
    provider: Any, kind: PauseKind, amount: int | None, balance: int | None, expected: bool
) -> None:
    pause_provider(provider=provider, kind=kind, text="", amount=amount)
    assert try_again(provider=provider, balance=balance) is expected
    assert is_paused() is not expected
    # The next pause is as long as it would have been.
    assert pauses()[0] == 1


def test_pause_when_not_paused_then_an_answer_changes_nothing(provider: Any) -> None:
    assert not try_again(provider=provider, balance=5)
    assert Provider.objects.get().paused_until is None
