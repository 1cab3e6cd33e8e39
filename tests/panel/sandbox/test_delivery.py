"""The sandbox's pure rules: how orders progress and end, what is charged, and its clock."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest

from panel.sandbox.amounts import share, to_micros, to_text
from panel.sandbox.clock import Clock
from panel.sandbox.delivery import kept_charge, plan_delivery, progress, refill_status_at


def test_plans_when_many_ids_drawn_then_endings_are_as_documented() -> None:
    ends = Counter(
        plan_delivery(order_id=number, quantity=1000, link="https://example.com/p").ending
        for number in range(23_501, 25_501)
    )
    assert 0.66 < (ends["completed"] + ends["overdelivered"]) / 2000 < 0.74
    assert 0.16 < ends["partial"] / 2000 < 0.24
    assert 0.07 < ends["canceled"] / 2000 < 0.13
    assert ends["overdelivered"] > 0 and ends["stuck"] == 0


def test_plan_when_made_twice_then_the_same() -> None:
    first = plan_delivery(order_id=23_501, quantity=700, link="a")
    assert first == plan_delivery(order_id=23_501, quantity=700, link="a")


def test_plans_when_not_canceled_then_end_after_20_to_40_seconds() -> None:
    for number in range(500):
        plan = plan_delivery(order_id=number, quantity=1000, link="x")
        assert plan.ends_after is not None
        assert plan.ending == "canceled" or 20 <= plan.ends_after <= 40


@pytest.mark.parametrize(
    ("word", "status", "low", "high"),
    [
        ("sandbox-completed", "Completed", 0, 0),
        ("sandbox-overdelivered", "Completed", -40, -1),
        ("sandbox-partial", "Partial", 1, 999),
        ("sandbox-canceled", "Canceled", 1000, 1000),
        ("sandbox-stuck", "In progress", 500, 500),
    ],
)
def test_progress_when_the_link_names_an_end_then_all_ids_have_it(word: str, status: str, low: int, high: int) -> None:
    for number in range(200):
        plan = plan_delivery(order_id=number, quantity=1000, link=f"https://x.example/{word}")
        end = progress(plan, quantity=1000, elapsed=10_000)
        assert end.status == status
        assert low <= end.remains <= high


def test_progress_when_later_then_remains_fall_and_status_advances() -> None:
    order = ["Pending", "Processing", "In progress", "Completed", "Partial", "Canceled"]
    for number in range(100):
        plan = plan_delivery(order_id=number, quantity=1000, link="x")
        steps = [progress(plan, quantity=1000, elapsed=tenth / 4) for tenth in range(200)]
        ranks = [order.index(step.status) for step in steps]
        assert ranks == sorted(ranks)
        remains = [step.remains for step in steps]
        assert remains == sorted(remains, reverse=True)
        assert all(step.delivered + step.remains == 1000 for step in steps)


def test_progress_when_canceled_halfway_then_it_stops_there() -> None:
    plan = plan_delivery(order_id=1, quantity=1000, link="sandbox-completed")
    assert plan.ends_after is not None
    half = plan.ends_after - plan.running_seconds / 2 + 0.001
    at = progress(plan, quantity=1000, elapsed=10_000, canceled_after=half)
    assert (at.status, at.remains) == ("Partial", 500)
    assert progress(plan, quantity=1000, elapsed=90, canceled_after=1).status == "Canceled"


def test_plan_when_one_package_should_be_partial_then_canceled() -> None:
    assert plan_delivery(order_id=1, quantity=1, link="sandbox-partial").ending == "canceled"


@pytest.mark.parametrize(
    ("status", "remains", "kept"),
    [
        ("In progress", 900, 1_000_001),
        ("Completed", -3, 1_000_001),
        ("Partial", 500, 500_001),
        ("Partial", 2000, 0),
        ("Partial", -5, 1_000_001),
        ("Canceled", 1000, 0),
    ],
)
def test_kept_charge_when_ended_then_by_status(status: str, remains: int, kept: int) -> None:
    charge = kept_charge(status=status, charge=1_000_001, quantity=1000, remains=remains)
    assert charge == kept


def test_refill_status_when_time_passes_then_completed_or_rejected() -> None:
    assert refill_status_at(elapsed=0, link="x") == "Pending"
    assert refill_status_at(elapsed=6, link="x") == "In progress"
    assert refill_status_at(elapsed=15, link="x") == "Completed"
    assert refill_status_at(elapsed=15, link="x/sandbox-refill-rejected") == "Rejected"


@pytest.mark.parametrize(
    ("text", "micros"),
    [("100.84292", 100_842_920), ("0", 0), ("-0.000001", -1), ("4", 4_000_000)],
)
def test_amounts_when_written_and_read_then_nothing_is_lost(text: str, micros: int) -> None:
    assert to_micros(text) == micros
    assert to_text(micros) == text


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e99", "0.0000001", "", "x", None, 1.5])
def test_amounts_when_invalid_then_refused(value: object) -> None:
    with pytest.raises(ValueError):
        to_micros(value)  # type: ignore[arg-type]


def test_amounts_when_decimal_has_an_exponent_then_text_has_none() -> None:
    assert to_text(to_micros(Decimal("1E+3"))) == "1000"
    assert share(1_200_000, 333, 1000) == 399_600
    assert share(1, 1, 3) == 1


def test_clock_when_the_speed_changes_then_time_does_not_jump() -> None:
    clock = Clock(wall=100, sandbox=10, speed=2)
    assert clock.at(105) == 20
    slower = clock.at_speed(0.5, wall=105)
    assert slower.at(105) == 20
    assert slower.at(107) == 21
    assert slower.at(50) == 20
    assert slower.moved(5).at(107) == 26
