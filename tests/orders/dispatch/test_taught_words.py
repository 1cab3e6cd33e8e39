"""Words of a provider that nobody knows: told at once, bounded, taught, and decided about together."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from catalog.models import Meaning, Provider, ProviderWord
from catalog.pauses import PauseKind, pause_provider
from catalog.upstream.errors import ErrorCode
from catalog.upstream.evidence import Evidence
from catalog.upstream.results import Refused
from catalog.words.seen import note_refusal
from orders.dispatch.submit import submit_due_orders
from orders.dispatch.taught_words import decide_waiting, teach, waiting_for
from orders.models import Order, PlacementAttempt
from orders.states import AttemptOutcome
from panel.alerts.models import Alert
from panel.lib import clock
from panel.lib.http.exchange import Phase
from panel.sandbox.http import faults
from tests import make
from tests.scenes import count_adds, create_accepted, fresh, make_all_due, money_of, poll_now, submit_now

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

TEXT = "Quota glitch 77 blarg"


def create(customers, service, count):
    """Create orders of the customers in turn."""
    return [make.order(customers[n % len(customers)], service, link=f"https://example.com/{n}") for n in range(count)]


def refuse(upstream, text, times):
    upstream.inject(faults.reply(body=json.dumps({"error": text}).encode(), action="add", times=times))


def word_of(provider, text="quota glitch 77 blarg"):
    return ProviderWord.objects.get(provider=provider, text=text)


@pytest.fixture
def customers(customer):
    return [customer, make.customer("bob@example.org", funds="10")]


@pytest.fixture
def unknown(upstream, provider, customers, service):
    """Three orders that were refused in unknown words, and two that still wait."""
    refuse(upstream, TEXT, 99)
    orders = create(customers, service, 5)
    submit_now()
    return orders


def test_refusals_when_their_words_are_unknown_then_the_queue_waits(upstream, provider, unknown):
    assert count_adds(upstream) == 3
    assert [fresh(order).review_reason for order in unknown] == ["unknown_error"] * 3 + [""] * 2
    paused = Provider.objects.get(pk=provider.pk)
    assert (paused.pause_kind, paused.unknown_in_row) == (PauseKind.WORDS, 3)
    alert = Alert.objects.get(cause=f"provider:{provider.pk}:words")
    assert TEXT in alert.text and alert.level == "danger"
    word = word_of(provider)
    assert (word.seen, word.example, word.is_unknown) == (3, TEXT, True)


@pytest.mark.parametrize(
    ("meaning", "submissions"),
    [
        (Meaning.REFUSED, ["refused"] * 3),
        (Meaning.SERVICE_GONE, ["refused"] * 3),
        (Meaning.NO_MONEY, ["queued"] * 3),
        (Meaning.TRY_LATER, ["queued"] * 3),
        (Meaning.KEY, ["queued"] * 3),
    ],
)
def test_word_when_taught_then_waiting_orders_follow_it(upstream, provider, customers, unknown, meaning, submissions):
    owner, word = make.owner(), word_of(provider)
    assert (len(waiting_for(word=word).orders), waiting_for(word=word).unsure) == (3, frozenset())
    before = sum(money_of(one)[0] for one in customers)
    teach(word=word, meaning=meaning, actor=owner)
    done = decide_waiting(word=word, actor=owner)
    assert [fresh(order).submission for order in unknown[:3]] == submissions
    paid = sum(order.charge for order in unknown[:3])
    refunded = paid if submissions[0] == "refused" else 0
    assert (sum(money_of(one)[0] for one in customers) - before, done.refunded) == (refunded, refunded)
    assert not Alert.objects.filter(cause__endswith=":words", resolved_at=None).exists()
    assert decide_waiting(word=word, actor=owner).refunded == 0


def test_answers_when_the_word_is_taught_then_read_so(upstream, provider, customer, unknown):
    teach(word=word_of(provider), meaning=Meaning.REFUSED, actor=make.owner())
    submit_now()
    assert [fresh(order).submission for order in unknown[3:]] == ["refused"] * 2
    assert word_of(provider).seen == 5


def test_order_when_another_sending_may_be_accepted_then_searched_first(provider, customer, unknown):
    order, owner = unknown[0], make.owner()
    PlacementAttempt.objects.create(order=order, token="x" * 32, outcome=AttemptOutcome.UNKNOWN)
    word, before = word_of(provider), money_of(customer)
    teach(word=word, meaning=Meaning.REFUSED, actor=owner)
    assert waiting_for(word=word).unsure == {order.pk}
    done = decide_waiting(word=word, actor=owner)
    assert (done.searched, done.refunded_orders, fresh(order).submission) == (1, 2, "in_doubt")
    assert money_of(customer) != before


def test_own_order_when_its_word_is_taught_then_left(upstream, provider, service):
    owner = make.owner()
    make.deposit(owner, "10")
    refuse(upstream, TEXT, 9)
    order = make.order(owner, service)
    submit_now()
    word = word_of(provider)
    teach(word=word, meaning=Meaning.REFUSED, actor=owner)
    assert (decide_waiting(word=word, actor=owner).left, fresh(order).submission) == (1, "queued")


def test_word_when_it_cannot_have_the_meaning_then_refused(provider, unknown):
    with pytest.raises(ValueError, match="no meaning"):
        teach(word=word_of(provider), meaning=Meaning.CANCELED, actor=make.owner())
    assert word_of(provider).meaning == ""


def test_refusals_for_good_when_many_in_a_row_then_the_rest_waits(upstream, provider, customers, service):
    refuse(upstream, "Bad link", 99)
    orders = create(customers, service, 12)
    submit_now()
    assert [fresh(order).submission for order in orders] == ["refused"] * 10 + ["queued"] * 2
    assert Provider.objects.get(pk=provider.pk).pause_kind == PauseKind.REFUSALS


def test_refusals_when_an_order_is_accepted_between_then_counted_anew(upstream, provider, customers, service):
    refuse(upstream, "Bad link", 9)
    create(customers, service, 10)
    submit_now()
    assert Provider.objects.get(pk=provider.pk).refusals_in_row == 0
    refuse(upstream, "Bad link", 9)
    orders = [make.order(customers[n % 2], service, link=f"https://example.com/again/{n}") for n in range(10)]
    submit_now()
    assert fresh(orders[-1]).submission == "placed"


def test_request_when_it_misses_what_all_have_then_provider_waits(upstream, provider, customers, service):
    refuse(upstream, "Incorrect request", 99)
    orders = create(customers, service, 2)
    submit_now()
    assert [fresh(order).submission for order in orders] == ["queued"] * 2
    assert count_adds(upstream) == 1
    assert Provider.objects.get(pk=provider.pk).pause_kind == PauseKind.REQUEST


def test_unknown_refusal_when_its_deadline_passes_then_searched_for(provider, customer, unknown):
    Order.objects.filter(review_reason="unknown_error").update(review_since=clock.now() - timedelta(hours=25))
    make_all_due()
    submit_now()
    assert [fresh(order).submission for order in unknown[:3]] == ["in_doubt"] * 3


def test_refusals_when_all_of_one_customer_then_others_are_served(upstream, provider, customers, service):
    refuse(upstream, "Bad link", 16)
    bad = create(customers[:1], service, 16)
    submit_now()
    good = make.order(customers[1], service)
    submit_now()
    assert [fresh(order).submission for order in bad] == ["refused"] * 16
    assert fresh(good).submission == "placed"
    assert Provider.objects.get(pk=provider.pk).pause_count == 0


def test_order_when_it_alone_misses_something_then_others_are_sent(upstream, provider, customers, service):
    refuse(upstream, "Incorrect request", 1)
    bad, good = create(customers, service, 2)
    submit_now()
    assert fresh(bad).turn < 0
    Provider.objects.update(paused_until=None)
    Order.objects.filter(pk=bad.pk).update(next_action_at=clock.now() + timedelta(hours=1))
    submit_due_orders()
    assert fresh(good).submission == "placed"
    refuse(upstream, "Incorrect request", 1)
    submit_now()
    assert (fresh(bad).submission, fresh(bad).review_reason) == ("queued", "unknown_error")
    assert Provider.objects.get(pk=provider.pk).paused_until is not None


def test_codes_when_they_differ_then_they_are_different_words(upstream, provider, customers, service):
    refuse(upstream, "Error 5", 1)
    refuse(upstream, "Error 7", 1)
    orders = create(customers, service, 2)
    submit_now()
    teach(word=word_of(provider, "error 5"), meaning=Meaning.REFUSED, actor=make.owner())
    done = decide_waiting(word=word_of(provider, "error 5"), actor=make.owner("two@example.org"))
    assert done.refunded_orders == 1
    assert sorted(fresh(order).submission for order in orders) == ["queued", "refused"]


def test_link_when_busy_by_its_own_first_sending_then_not_sent_again(upstream, provider, customers, service):
    upstream.inject(faults.reply(body=b'{"error": "Blarg busy"}', action="add", processed=True))
    [order] = create(customers, service, 1)
    submit_now()
    word = word_of(provider, "blarg busy")
    teach(word=word, meaning=Meaning.TRY_LATER, actor=make.owner())
    decide_waiting(word=word, actor=make.owner("two@example.org"))
    assert order.submission_attempts.get().outcome == AttemptOutcome.TAUGHT
    refuse(upstream, "You have active order with this link", 1)
    submit_now()
    assert fresh(order).review_reason == "doubt"
    assert len(upstream.orders()) == 1


def test_word_when_read_as_no_clear_refusal_then_shown_as_unknown(upstream, provider, customers, service):
    refuse(upstream, "Your previous order is not completed", 1)
    create(customers, service, 1)
    submit_now()
    assert word_of(provider, "your previous order is not completed").is_unknown
    assert Alert.objects.filter(cause=f"provider:{provider.pk}:words").exists()


def test_words_when_there_are_too_many_then_the_oldest_untaught_goes(provider, monkeypatch):
    monkeypatch.setattr("catalog.words.seen.MAX_WORDS", 2)
    for number in range(3):
        refusal = Refused(ErrorCode.UNRECOGNIZED, f"Blarg {number}", Evidence(Phase.ANSWERED, 200, "", 1))
        note_refusal(provider=provider, refusal=refusal, taught={}, order_id=1)
    assert set(ProviderWord.objects.values_list("text", flat=True)) == {"blarg 1", "blarg 2"}


def test_pause_when_its_kind_changes_then_begins_short(provider):
    Provider.objects.update(pause_count=8, pause_kind=PauseKind.UNREACHABLE)
    pause_provider(provider=provider, kind=PauseKind.WORDS, text="unknown")
    paused = Provider.objects.get(pk=provider.pk)
    assert paused.pause_count == 1
    assert paused.paused_until < clock.now() + timedelta(minutes=11)


def test_status_when_taught_then_its_orders_are_read_so(upstream, provider, customers, service):
    [order] = create_accepted(customers[0], service, 1)
    answer = {"charge": "0", "status": "Blarg 7", "remains": "100", "start_count": "0", "currency": "USD"}
    upstream.inject(faults.reply(body=json.dumps({order.upstream_id: answer}).encode(), action="status", times=None))
    poll_now()
    word = word_of(provider, "blarg 7")
    assert (word.about, word.is_unknown) == ("status", True)
    assert waiting_for(word=word).orders == [fresh(order)]
    owner = make.owner()
    teach(word=word, meaning=Meaning.CANCELED, actor=owner)
    assert decide_waiting(word=word, actor=owner).polled == 1
    poll_now()
    assert (fresh(order).status, fresh(order).refunded) == ("canceled", order.charge)


def test_status_when_taught_canceled_but_charged_then_reviewed(upstream, provider, customers, service):
    [order] = create_accepted(customers[0], service, 1)
    answer = {"charge": "0.2", "status": "Blarg 7", "remains": "0", "start_count": "0", "currency": "USD"}
    upstream.inject(faults.reply(body=json.dumps({order.upstream_id: answer}).encode(), action="status", times=None))
    poll_now()
    teach(word=word_of(provider, "blarg 7"), meaning=Meaning.CANCELED, actor=make.owner())
    poll_now()
    assert (fresh(order).review_reason, fresh(order).refunded) == ("contradiction", 0)
