"""Who is moved, who stays, and that nothing is done twice, halfway or against a person."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.urls import reverse

from catalog.models import CustomerGroup, GroupMember
from panel.accounts.models import User
from panel.levels import judge
from panel.levels import move as subject
from panel.levels.models import LevelMove, LevelSweep
from panel.levels.move import move_customers
from tests import make
from tests.make import micros
from tests.panel.levels.conftest import placed, put, set_terms, spend, spent_past
from tests.scenes import at_once, kill_at_each_statement, statements

pytestmark = pytest.mark.django_db


def moves() -> list[str]:
    return [f"{move}: {move.reason}" for move in LevelMove.objects.order_by("pk")]


# -- up ------------------------------------------------------------------------------------------------


def test_customer_when_a_level_is_reached_then_moved_with_its_reason(customer, levels):
    spend(customer, "512.40")
    assert move_customers() == 1
    assert placed(customer) == ("Silver", "levels")
    assert moves() == ["no level → Silver: $512.40 spent in all: 3% off"]
    assert move_customers() == 0


@pytest.mark.parametrize(("amount", "level"), [("99.999999", None), ("100", "Bronze"), ("499.999999", "Bronze")])
def test_customer_when_at_the_edge_of_a_level_then_exactly(customer, levels, amount, level):
    spend(customer, amount)
    move_customers()
    assert (placed(customer) or (None,))[0] == level


def test_customer_when_more_is_spent_then_moved_from_level_to_level(customer, levels):
    for amount in ("100", "400", "1500"):
        spend(customer, amount)
        assert move_customers() == 1
    assert placed(customer) == ("Gold", "levels")
    assert moves()[-1] == "Silver → Gold: $2,000.00 spent in all: 5% off"


def test_customers_when_there_are_no_levels_then_few_statements(customer):
    spend(customer, "5000")
    CustomerGroup.objects.create(name="Friends", discount_bp=500)
    move_customers()
    with statements() as sent:
        assert move_customers() == 0
    assert len(sent) <= 4 and placed(customer) is None


@pytest.mark.parametrize("values", [{"is_staff": True}, {"is_superuser": True}, {"is_active": False}])
def test_customer_when_staff_or_switched_off_then_not_moved(customer, levels, values):
    spend(customer, "5000")
    User.objects.filter(pk=customer.pk).update(**values)
    assert move_customers() == 0 and placed(customer) is None


# -- down ----------------------------------------------------------------------------------------------


@pytest.fixture
def fallen(levels: Any) -> User:
    """A customer of the level Silver, who spent $150 in the last 30 days."""
    set_terms(period_days=30)
    customer = make.customer()
    spent_past(customer, (100, "900"), (5, "150"))
    put(customer, levels["Silver"], "levels")
    return customer


def test_customer_when_less_is_spent_then_the_level_is_kept(fallen):
    assert move_customers() == 0 and placed(fallen) == ("Silver", "levels")


def test_customer_when_the_owner_says_so_then_moved_down(fallen):
    set_terms(period_days=30, moves_down=True)
    assert move_customers() == 1 and placed(fallen) == ("Bronze", "levels")
    assert moves() == ["Silver → Bronze: $150.00 spent in 30 days: 1% off"]
    set_terms(period_days=3, moves_down=True)
    assert move_customers() == 1 and placed(fallen) is None
    assert moves()[-1] == "Bronze → no level: $0.00 spent in 3 days: 0% off"
    assert not LevelMove.objects.filter(is_up=True).exists()


def test_customer_when_all_levels_are_taken_away_then_kept_where_they_are(fallen):
    set_terms(moves_down=True)
    CustomerGroup.objects.update(level_from=None)
    assert move_customers() == 0 and placed(fallen) == ("Silver", "levels")


# -- people ----------------------------------------------------------------------------------------------


def test_customer_when_placed_by_hand_then_stays(customer, levels):
    spend(customer, "5000")
    put(customer, levels["Bronze"])
    set_terms(moves_down=True)
    assert move_customers() == 0 and placed(customer) == ("Bronze", "person")


def test_customer_when_levels_may_move_them_then_never_to_higher_prices(customer, levels):
    spend(customer, "5000")
    put(customer, levels["Friends"], "levels")
    assert move_customers() == 0
    CustomerGroup.objects.filter(name="Friends").update(discount_bp=500)
    assert move_customers() == 1 and placed(customer) == ("Gold", "levels")


def test_row_of_the_release_before_when_written_then_placed_by_a_person(customer, levels):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO catalog_groupmember (customer_id, group_id) VALUES (%s, %s)",
            [customer.pk, levels["Bronze"].pk],
        )
    assert placed(customer) == ("Bronze", "person")


# -- rounds --------------------------------------------------------------------------------------------


@pytest.fixture
def many(levels: Any, monkeypatch: pytest.MonkeyPatch) -> list[User]:
    """Five customers who reached Bronze, in batches of two."""
    monkeypatch.setattr(judge, "BATCH", 2)
    monkeypatch.setattr(subject, "BATCH", 2)
    customers = [make.customer(f"c{number}@example.org") for number in range(5)]
    for customer in customers:
        spend(customer, "100")
    return customers


def test_round_when_customers_are_many_then_in_batches_and_all(many, monkeypatch):
    monkeypatch.setattr(subject, "MAX_BATCHES", 2)
    assert [move_customers(), LevelSweep.objects.get().after] == [4, many[3].pk]
    assert [move_customers(), LevelSweep.objects.get().after] == [1, 0]


def test_round_when_there_are_more_customers_then_as_many_statements(many, monkeypatch):
    move_customers()
    found = []
    for size in (1, 5):
        monkeypatch.setattr(judge, "BATCH", size + 1)
        monkeypatch.setattr(subject, "BATCH", size + 1)
        User.objects.filter(pk__in=[one.pk for one in many[size:]]).update(is_active=False)
        with statements() as sent:
            assert move_customers() == 0
        found.append(len(sent))
        User.objects.update(is_active=True)
    assert found[0] == found[1] <= 10


def test_round_when_killed_anywhere_then_each_moved_once(many):
    def check() -> None:
        assert LevelMove.objects.count() == GroupMember.objects.count()

    assert kill_at_each_statement(move_customers, check) > 10
    assert LevelMove.objects.count() == 5
    assert [placed(customer) for customer in many] == [("Bronze", "levels")] * 5


# -- at the same time --------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_rounds_when_two_run_at_once_then_each_customer_moved_once(many):
    assert sum(at_once(2, lambda number: move_customers())) == 5
    assert LevelMove.objects.count() == 5


def act_after(judgement: int, act: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a person act between a judgement of the round, the first or the second, and what follows from it."""
    judged, calls = subject.moves_of, []

    def then_act(**values: Any) -> Any:
        found = judged(**values)
        calls.append(found)
        if len(calls) == judgement:
            act()
        return found

    monkeypatch.setattr(subject, "moves_of", then_act)


@pytest.mark.parametrize("judgement", [1, 2])
def test_move_when_a_person_was_faster_then_the_person_wins(customer, levels, monkeypatch, judgement):
    spend(customer, "500")
    act_after(judgement, lambda: put(customer, levels["Friends"]), monkeypatch)
    assert move_customers() == 0
    assert placed(customer) == ("Friends", "person") and not LevelMove.objects.exists()


@pytest.mark.parametrize("values", [{"placed_by": "person"}, {"group": "Gold"}])
def test_member_when_changed_by_a_person_meanwhile_then_not_moved(customer, levels, monkeypatch, values):
    spend(customer, "500")
    put(customer, levels["Bronze"], "levels")
    changed = {name: levels.get(value, value) for name, value in values.items()}
    act_after(2, lambda: GroupMember.objects.update(**changed), monkeypatch)
    assert move_customers() == 0 and not LevelMove.objects.exists()


def test_levels_when_changed_after_the_first_judgement_then_the_new_ones_hold(customer, levels, monkeypatch):
    spend(customer, "500")
    act_after(1, lambda: CustomerGroup.objects.filter(name="Silver").update(level_from=micros("600")), monkeypatch)
    assert move_customers() == 1 and placed(customer) == ("Bronze", "levels")


def test_round_when_nobody_is_to_be_moved_then_nothing_is_locked(customer, levels, monkeypatch):
    spend(customer, "500")
    put(customer, levels["Bronze"])
    monkeypatch.setattr(subject, "lock_levels", lambda: pytest.fail("locked"))
    assert move_customers() == 0


@pytest.mark.django_db(transaction=True)
def test_member_when_staff_and_the_round_act_at_once_then_one_of_them(customer, levels, staff_client):
    """Staff's form wins whenever it was saved; a move that came before it is in the log, and no page fails."""
    spend(customer, "500")
    put(customer, levels["Bronze"], "levels")
    data = {"group": levels["Gold"].pk, "initial-group": levels["Bronze"].pk}
    address = reverse("admin:catalog_groupmember_change", args=[customer.pk])
    results = at_once(2, lambda number: move_customers() if number else staff_client.post(address, data).status_code)
    assert results[0] == 302 and results[1] in (0, 1)
    assert placed(customer) == ("Gold", "person")
    assert LevelMove.objects.count() == results[1]
