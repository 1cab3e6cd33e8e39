"""Every form of staff that moves money: above a limit it moves nothing, and a second person carries it out once."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from billing.models import Entry
from catalog.models import Meaning, Provider, ProviderWord, Service
from orders.dispatch.taught_words import decide_waiting, teach, why_of
from orders.models import Order
from orders.recovery.doubts import MAX_DECIDED
from orders.second_looks import MAX_ORDERS, REFUND_MANY, REFUND_WORD, ask_for_orders
from orders.states import ReviewReason, Submission
from panel.accounts.models import User
from panel.accounts.roles import OWNER
from panel.staff.acts import acts
from panel.staff.deeds import Why
from panel.staff.kinds import DEFAULTS, Limit
from panel.staff.limits import store_limits
from panel.staff.looks import LookRefused, confirm_look
from panel.staff.models import SecondLook, StaffDeed
from tests import make
from tests.admin_calls import WHY
from tests.panel.test_own_account import ACTIONS, in_doubt, seen_on, signed_in_as, state

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

# Of these pages' actions, those that move money at once.
MOVING = [
    "give back",
    "end by hand",
    "cancel what was not",
    "refund",
    "stop a drip-feed",
    "approve",
    "credit",
    "adjust",
]


@pytest.fixture(autouse=True)
def no_limits(roles: None) -> None:
    store_limits(dict.fromkeys(DEFAULTS, Limit(0, 0)))


@pytest.fixture
def second() -> User:
    return make.staff_member(OWNER, "second@example.org")


def offered() -> Service:
    return make.service(make.provider())


@pytest.mark.parametrize("name", MOVING)
def test_form_when_above_the_limit_then_a_second_person_carries_it_out_once(name, staff, second):
    page, make_one, data, _ = ACTIONS[name]
    obj = make_one(make.customer("carol@example.org", funds="94"), offered())
    client, address = signed_in_as(staff), reverse(f"admin:{page}", args=[obj.pk])
    before = state(obj)
    form = {**WHY, **data, "seen": seen_on(client, address)}
    for _ in range(2):  # A double click asks once.
        answer = client.post(address, form, follow=True).content.decode()
        assert "a second person, under “Second looks”" in answer
    assert state(obj) == before
    look = SecondLook.objects.get()
    assert (look.asked_by, look.reason, look.note) == (staff, "other", "Complaint 17")
    assert confirm_look(look=look, actor=second)
    assert state(obj) != before
    assert StaffDeed.objects.get().look == look
    entries = Entry.objects.count()
    with pytest.raises(LookRefused):
        confirm_look(look=look, actor=second)
    assert Entry.objects.count() == entries


def test_doubts_when_refunded_together_above_the_limit_then_wait_and_are_done(staff, second, customer):
    orders = [in_doubt(customer, offered_of(number)) for number in (1, 2)]
    assert MAX_ORDERS <= MAX_DECIDED
    told = ask_for_orders(act=REFUND_MANY, orders=orders, actor=staff, why=Why(), note="Lost in an outage")
    assert told.startswith("2 orders for")
    assert "Canceled: 2" in confirm_look(look=SecondLook.objects.get(), actor=second)
    assert set(Order.objects.values_list("submission", "status_note")) == {(Submission.REFUSED, "Lost in an outage")}


def offered_of(number: int) -> Service:
    of = Provider.objects.first() or make.provider()
    return make.service(of, external_id=str(number))


def test_word_when_its_refunds_are_above_the_limit_then_they_wait(staff, second, customer):
    service = offered()
    order = make.order(customer, service)
    word = ProviderWord.objects.create(provider=service.upstream.provider, about="add", text="blarg")
    values: dict[str, Any] = {"review_reason": ReviewReason.UNKNOWN_ERROR, "review_note": "blarg", "attempts": 1}
    Order.objects.filter(pk=order.pk).update(review_since=order.created_at, **values)
    teach(word=word, meaning=Meaning.REFUSED, actor=staff)
    done = decide_waiting(word=word, actor=staff)
    assert (done.refunded_orders, [one.pk for one in done.above_limit]) == (0, [order.pk])
    ask_for_orders(act=REFUND_WORD, orders=done.above_limit, actor=staff, why=why_of(word), word=word)
    look = SecondLook.objects.get()
    ProviderWord.objects.update(meaning=Meaning.TRY_LATER)
    with pytest.raises(LookRefused, match="None of these orders"):
        confirm_look(look=look, actor=second)
    ProviderWord.objects.update(meaning=Meaning.REFUSED)
    assert "Canceled: 1" in confirm_look(look=look, actor=second)
    assert Order.objects.get().refunded == order.charge


def test_acts_when_listed_then_each_right_exists():
    from django.contrib.auth.models import Permission

    held = {f"{one.content_type.app_label}.{one.codename}" for one in Permission.objects.select_related("content_type")}
    assert {act.permission for act in acts().values()} <= held
