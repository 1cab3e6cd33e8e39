"""The four facts: fine, each of the states in which they are not, and the verdict over them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from catalog.models import Provider
from catalog.pauses import PauseKind, pause_provider
from orders.common.stops import stop_sending
from orders.models import Order, OrderPoll, ProviderMoney
from orders.states import StopReason
from panel.alerts.causes import Cause
from panel.alerts.models import Heartbeat, Process
from panel.alerts.services import raise_alert, record_heartbeat, resolve_alert
from panel.channels.models import Channel, Delivery
from panel.ops.overview.facts import Fact, all_facts, verdict_of
from panel.ops.overview.picture import read_picture
from panel.ops.overview.states import Colour, worst
from tests import make

pytestmark = pytest.mark.django_db

FINE, LOOK, BROKEN = Colour.FINE, Colour.LOOK, Colour.BROKEN


def facts(*hidden: str) -> dict[str, Fact]:
    """Return the facts by title, for an owner without the `hidden` permissions."""
    return {one.title: one for one in all_facts(read_picture(lambda name: name not in hidden))}


def state(title: str) -> tuple[Colour, str]:
    fact = facts()[title]
    return fact.colour, fact.word


def long_ago(**length: int) -> Any:
    return timezone.now() - timedelta(**length)


def unsent(customer: Any, service: Any, **length: int) -> Order:
    order = make.order(customer, service)
    Order.objects.filter(pk=order.pk).update(queued_at=long_ago(**length))
    return order


def pause(provider: Provider, text: str = "it does not answer") -> None:
    pause_provider(provider=provider, kind=PauseKind.UNREACHABLE, text=text)


def money_at(provider: Provider, unexplained: int) -> None:
    moment = timezone.now()
    times = dict.fromkeys(("base_asked_at", "base_read_at", "asked_at", "read_at"), moment)
    amounts = dict.fromkeys(("base_balance", "balance", "lowest", "highest"), 0)
    ProviderMoney.objects.create(
        provider=provider, account="a", currency="USD", unexplained=unexplained, **times, **amounts
    )


def test_facts_when_all_is_well_then_fine(well):
    found = facts()
    assert [one.colour for one in found.values()] == [FINE] * 4
    verdict = verdict_of(found.values())
    assert (verdict.colour, verdict.word) == (FINE, "All is well.")
    assert verdict.text == "Orders are sent. Orders are followed. The books are proven. Channels reach you."


def test_facts_when_shown_then_each_has_a_figure_its_bound_and_why(well, customer, service):
    unsent(customer, service, minutes=4)
    make.accepted_order(customer, service)
    for fact in facts().values():
        assert fact.figure and fact.about and fact.bound.startswith("Bound ") and fact.why
    assert (facts()["Sending"].figure, facts()["Sending"].about) == ("4 min", "oldest unsent of 1")
    assert facts()["Sending"].colour == FINE


# -- sending -------------------------------------------------------------------------------------------


def test_sending_when_no_worker_runs_then_broken_and_so_is_following(well):
    Process.objects.update(seen_at=long_ago(minutes=1))
    assert state("Sending") == state("Following") == (BROKEN, "No worker runs")


def test_sending_when_staff_stopped_it_then_broken(well):
    stop_sending(reason=StopReason.STAFF, text="Wait.")
    assert state("Sending") == (BROKEN, "Sending is stopped")
    assert facts()["Sending"].why == "Stopped by staff."


def test_sending_when_the_tasks_are_late_then_broken(well):
    Process.objects.update(started_at=long_ago(minutes=5))
    Heartbeat.objects.create(task="submit_orders", beat_at=long_ago(minutes=5))
    assert state("Sending") == (BROKEN, "Tasks are late")


def test_sending_when_the_only_provider_is_paused_then_broken_without_an_order(well, provider):
    pause(provider)
    assert state("Sending") == (BROKEN, "The only provider takes no orders")
    Provider.objects.update(paused_until=long_ago(minutes=1))
    assert state("Sending")[0] == BROKEN, "the pause is over, but no order was accepted yet"


def test_sending_when_the_only_provider_is_away_then_broken_at_once(well, provider):
    raise_alert(cause=Cause.UNREACHABLE, about=provider.pk, text="Upstream does not answer: timeout")
    assert state("Sending") == (BROKEN, "The only provider takes no orders")
    assert "<bdi>Upstream</bdi>: does not answer." in facts()["Sending"].why
    resolve_alert(cause=Cause.UNREACHABLE, about=provider.pk)
    assert state("Sending")[0] == FINE


def test_sending_when_one_of_two_is_paused_then_by_its_orders(well, customer, service, provider):
    make.provider(name="Other", api_key="other")
    pause(provider)
    assert state("Sending") == (LOOK, "1 of 2 providers takes no orders")
    unsent(customer, service, minutes=11)
    assert state("Sending") == (BROKEN, "Not all orders are sent")
    assert facts()["Sending"].why == "<bdi>Upstream</bdi>: paused. 1 order waits for that."


def test_sending_when_an_order_waits_past_the_bound_then_broken(well, customer, service):
    unsent(customer, service, minutes=9)
    assert state("Sending")[0] == FINE
    unsent(customer, service, hours=5)
    assert state("Sending") == (BROKEN, "Orders wait too long")
    fact = facts()["Sending"]
    assert (fact.figure, fact.about, fact.why) == ("5 h", "oldest unsent of 2", "They wait for <bdi>Upstream</bdi>.")


def test_sending_when_the_order_waits_for_a_person_then_not_counted(well, customer, service):
    Order.objects.filter(pk=unsent(customer, service, hours=5).pk).update(review_reason="would_lose")
    assert state("Sending")[0] == FINE


def test_sending_when_an_order_waits_for_its_link_then_not_counted(well, customer, service):
    Order.objects.filter(pk=unsent(customer, service, hours=5).pk).update(turn=-1)
    assert state("Sending")[0] == FINE


def test_sending_when_its_provider_is_off_then_its_orders_still_wait(well, customer, service, provider):
    make.provider(name="Other", api_key="other")
    unsent(customer, service, hours=5)
    Provider.objects.filter(pk=provider.pk).update(is_active=False)
    assert facts()["Sending"].why == "They wait for a provider that is off."


def test_sending_when_there_is_no_provider_then_look(well):
    Provider.objects.update(is_active=False)
    assert state("Sending") == (LOOK, "No provider is connected")


# -- following -----------------------------------------------------------------------------------------


def test_following_when_an_order_is_unchecked_past_the_bound_then_broken(well, customer, service):
    order = make.accepted_order(customer, service)
    assert state("Following") == (FINE, "Orders are followed")
    OrderPoll.objects.filter(order=order).update(checked_at=long_ago(hours=30))
    assert state("Following") == (BROKEN, "Orders are not followed")
    assert facts()["Following"].figure == "1 day"
    assert facts()["Following"].why.startswith("At <bdi>Upstream</bdi>. ")


def test_following_when_answers_fail_then_look(well, provider):
    Provider.objects.update(polling_failures=2)
    assert state("Following") == (LOOK, "Some answers fail")


def test_following_when_the_provider_of_an_open_order_does_not_answer_then_look(well, customer, service, provider):
    raise_alert(cause=Cause.UNREACHABLE, about=provider.pk, text="Upstream does not answer: timeout")
    assert state("Following")[0] == FINE
    make.accepted_order(customer, service)
    assert state("Following") == (LOOK, "Some answers fail")


# -- money ---------------------------------------------------------------------------------------------


def test_money_when_the_books_are_broken_then_broken(well):
    raise_alert(cause=Cause.LEDGER, text="The books do not balance.")
    assert state("Money") == (BROKEN, "The books do not add up")


def test_money_when_the_proof_is_old_or_missing_then_said(well):
    record_heartbeat(task="check_ledger", at=long_ago(hours=4))
    assert state("Money") == (BROKEN, "The proof of the books is late")
    Heartbeat.objects.filter(task="check_ledger").delete()
    assert state("Money") == (LOOK, "The books were never proven")


def test_money_when_spending_is_unexplained_then_look_with_the_amount_for_who_may(well, provider):
    money_at(provider, -4_120_000)
    assert state("Money") == (LOOK, "Spending is unexplained")
    assert facts()["Money"].figure == "<bdi>$4.12</bdi>"
    assert "At <bdi>Upstream</bdi>. The books were proven" in facts()["Money"].why
    hidden = facts("orders.view_profit")["Money"]
    assert (hidden.colour, "4.12" in f"{hidden}") == (FINE, False)


def test_money_when_more_is_there_than_explained_then_nothing_was_spent(well, provider):
    money_at(provider, 4_120_000)
    assert state("Money")[0] == FINE


# -- telling -------------------------------------------------------------------------------------------


def fails(channel: Channel) -> None:
    Channel.objects.filter(pk=channel.pk).update(failing_since=timezone.now(), last_error="503: gone")


def test_telling_when_there_is_no_channel_then_look(well):
    Channel.objects.all().delete()
    assert state("You are told") == (LOOK, "Nobody is told")


def test_telling_when_the_channel_fails_then_broken_and_look_if_another_reaches(well):
    fails(well)
    assert state("You are told") == (BROKEN, "No channel reaches you")
    assert facts()["You are told"].why == "<bdi>Phone</bdi>: 503: gone."
    Channel.objects.create(name="Mail", kind="mail", reached_at=timezone.now())
    assert state("You are told") == (LOOK, "A channel fails")
    assert (facts()["You are told"].figure, facts()["You are told"].about) == ("1 of 2", "channels reach you")


def test_telling_when_a_channel_was_never_proven_then_look(well):
    Channel.objects.create(name="Mail", kind="mail")
    assert state("You are told") == (LOOK, "A channel was never proven")


def test_telling_when_a_message_waits_past_the_bound_then_broken(well):
    old = {"created_at": long_ago(minutes=11), "due_at": timezone.now()}
    Delivery.objects.create(channel=well, kind="alerts", uid="1", subject="s", text="t", **old)
    assert state("You are told") == (BROKEN, "Messages do not leave")


# -- the verdict, and who sees what --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("colours", "expected"),
    [((), FINE), ((FINE, LOOK), LOOK), ((BROKEN, LOOK, FINE), BROKEN), ((LOOK, BROKEN), BROKEN)],
)
def test_worst_when_colours_differ_then_the_worst_wins(colours, expected):
    assert worst(colours) == expected


BREAKS: dict[str, Callable[[Channel], object]] = {
    "Sending: Sending is stopped.": lambda one: stop_sending(reason=StopReason.STAFF, text="Wait."),
    "Money: The books do not add up.": lambda one: raise_alert(cause=Cause.LEDGER, text="No."),
    "You are told: No channel reaches you.": fails,
}


@pytest.mark.parametrize("text", BREAKS)
def test_verdict_when_one_fact_is_broken_then_it_is_the_verdict(well, provider, text):
    Provider.objects.update(polling_failures=1)  # Something worth a look beside it.
    assert verdict_of(facts().values()).text.startswith("Following: Some answers fail. At <bdi>Upstream</bdi>.")
    BREAKS[text](well)
    verdict = verdict_of(facts().values())
    assert (verdict.colour, verdict.text.startswith(text), "Following" in verdict.text) == (BROKEN, True, False)


def test_facts_when_someone_may_not_see_providers_or_channels_then_no_name(well, customer, service, provider):
    make.provider(name="Other", api_key="other")
    pause(provider)
    unsent(customer, service, hours=5)
    order = make.accepted_order(customer, service)
    OrderPoll.objects.filter(order=order).update(checked_at=long_ago(hours=30))
    found = facts("catalog.view_provider", "channels.view_channel", "billing.view_wallet")
    assert list(found) == ["Sending", "Following", "Money"]
    assert [one.colour for one in found.values()] == [BROKEN, BROKEN, FINE]
    assert "Upstream" not in f"{found}" and "hold" not in f"{found}"
    assert "Upstream" in f"{facts()}" and "Customers hold <bdi>$9" in f"{facts()}"


def test_facts_when_a_name_is_hostile_then_escaped(well, provider):
    Provider.objects.update(name="<b>x", polling_failures=1)
    assert "<bdi>&lt;b&gt;x</bdi>" in facts()["Following"].why
