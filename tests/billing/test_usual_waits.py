"""How long it usually takes: from the last deposits, and nothing from too few."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from billing.models import Deposit
from billing.usual_waits import MAX_COUNT, UsualWait, measure, usual_wait, wait_words
from tests import make

MINUTE = 60


def wait(half, most):
    return UsualWait(timedelta(minutes=half), timedelta(minutes=most))


@pytest.mark.parametrize(
    ("minutes", "half", "most"),
    [([1, 2, 3, 4], None, None), ([5, 1, 4, 2, 3], 3, 5), (range(1, 11), 5, 10), (range(1, 101), 50, 91)],
)
def test_measure_when_so_many_then_median_and_ninth_tenth(minutes, half, most):
    assert measure([one * MINUTE for one in minutes]) == (wait(half, most) if half else None)


@pytest.mark.parametrize(
    ("found", "by_hand", "words"),
    [
        (None, True, ""),
        (wait(0.2, 0.9), False, "usually within 1 min"),
        (wait(6, 17), False, "usually within 20 min"),
        (wait(6, 17), True, "by hand, usually within 20 min"),
        (wait(2, 100), False, "often within 2 min, sometimes 2 h"),
        (wait(120, 600), True, "by hand, usually the same day"),
        (wait(120, 600), False, "usually within 12 h"),
        (wait(1_000, 2_000), True, "by hand, usually within 2 days"),
    ],
)
def test_words_when_it_takes_so_long_then_as_people_say_it(found, by_hand, words):
    assert wait_words(found, is_by_hand=by_hand) == words


def added(customer, method, minutes, *, paid=None):
    now = timezone.now()
    Deposit.objects.create(
        customer=customer,
        method=method,
        amount=1,
        credited=1,
        state="approved",
        request_key=f"{Deposit.objects.count()}",
        created_at=now - timedelta(days=3 if paid else 0, minutes=minutes),
        paid_at=now - timedelta(minutes=minutes) if paid else None,
        decided_at=now,
        mail_due_at=None,
    )


@pytest.mark.django_db
def test_wait_when_measured_then_from_said_paid_of_its_method_and_kept(customer, django_assert_num_queries):
    method, another = make.payment_method(), make.payment_method(name="B")
    for minutes in (1, 2, 3, 4):
        added(customer, method, minutes, paid=True)
    added(customer, another, 500)
    assert usual_wait(another) is None
    added(customer, method, 5)
    found = usual_wait(method)
    assert found and (found.median, found.most) == (timedelta(minutes=3), timedelta(minutes=5))
    with django_assert_num_queries(0):
        assert usual_wait(method) == found
        assert usual_wait(another) is None
    assert MAX_COUNT >= 5
