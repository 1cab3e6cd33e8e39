"""Orders that a provider has and this database does not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from billing.wallets import wallet_of
from orders.checkout.validation import OrderInput, OrderRefused
from orders.common.stops import open_stops, stop_sending
from orders.marks import guard
from orders.models import Order, Orphan, SendingStop
from orders.recovery import doubts
from orders.recovery.after_restore import begin_after_restore
from orders.recovery.orphans import (
    OrphanError,
    add_orphan,
    adopt_orphan,
    close_known_orphans,
    search_orphans,
    write_off_orphan,
)
from orders.review.decisions import bind_upstream_id
from orders.states import Status, StopReason, Submission
from panel.lib.own_account import OwnAccount
from panel.sandbox.server import SandboxServer
from tests import make
from tests.scenes import count_adds, fresh, money_of, nothing_changes, poll_now, submit_now, true_id

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]


@pytest.fixture
def stop(queued: list[Order], staff: Any) -> SendingStop:
    """The stop of the provider, after the restore."""
    guard.may_send()
    begin_after_restore(actor=staff)
    return open_stops().get()


def lost_input(service: Any, quantity: int = 77) -> OrderInput:
    return OrderInput(service.pk, "https://example.com/lost", quantity, {})


def lost_orphan(upstream: SandboxServer) -> Orphan:
    [there] = [one for one in upstream.orders() if one.quantity == 77]
    return Orphan.objects.get(upstream_id=str(there.id))


def test_orphans_when_searched_then_all_sent_since_the_backup_are_listed(
    stop: SendingStop, upstream: SandboxServer, queued: list[Order], staff: Any
) -> None:
    found = search_orphans(stop=stop, actor=staff, width=50)
    assert found.found == 3
    sent = {str(one.id) for one in upstream.orders() if one.quantity in (77, 100, 200)}
    assert set(Orphan.objects.values_list("upstream_id", flat=True)) == sent
    orphan = lost_orphan(upstream)
    assert (orphan.status, orphan.remains, orphan.charge) == (Status.PENDING, 77, 154_000)


def test_search_when_repeated_then_goes_on_above(stop: SendingStop, staff: Any) -> None:
    first = search_orphans(stop=stop, actor=staff, width=50)
    stop.refresh_from_db()
    second = search_orphans(stop=stop, actor=staff, width=50)
    assert (second.first, second.last, second.found) == (first.last + 1, first.last + 50, 0)


def test_search_when_the_provider_fails_then_nothing_is_kept(
    stop: SendingStop, upstream: SandboxServer, staff: Any
) -> None:
    upstream.close()
    with nothing_changes(), pytest.raises(OrphanError, match="could not be asked"):
        search_orphans(stop=stop, actor=staff, width=50)
    stop.refresh_from_db()
    assert stop.searched_to is None
    assert not Orphan.objects.exists()


def test_orphan_when_adopted_then_charged_accepted_and_followed(
    stop: SendingStop, upstream: SandboxServer, customer: Any, service: Any, staff: Any
) -> None:
    search_orphans(stop=stop, actor=staff, width=50)
    orphan = lost_orphan(upstream)
    balance, _ = money_of(customer)
    adds = count_adds(upstream)
    order = adopt_orphan(orphan=orphan, customer=customer, order_input=lost_input(service), actor=staff)
    assert (order.submission, order.upstream_id) == (Submission.ACCEPTED, orphan.upstream_id)
    assert money_of(customer)[0] == balance - order.charge
    orphan.refresh_from_db()
    assert (orphan.state, orphan.order, orphan.decided_by) == (Orphan.State.ADOPTED, order, staff)
    upstream.set_order(int(orphan.upstream_id), status="Partial", remains=77)
    poll_now()
    assert fresh(order).refunded == order.charge
    assert count_adds(upstream) == adds


def test_orphan_when_adopted_twice_then_the_second_changes_nothing(
    stop: SendingStop, upstream: SandboxServer, customer: Any, service: Any, staff: Any
) -> None:
    search_orphans(stop=stop, actor=staff, width=50)
    orphan = lost_orphan(upstream)
    adopt_orphan(orphan=orphan, customer=customer, order_input=lost_input(service), actor=staff)
    with nothing_changes(), pytest.raises(OrphanError):
        adopt_orphan(orphan=orphan, customer=customer, order_input=lost_input(service), actor=staff)
    with nothing_changes(), pytest.raises(OrphanError, match="decided"):
        write_off_orphan(orphan=orphan, note="", actor=staff)


def test_orphan_when_the_wallet_is_empty_then_nothing_changes(
    stop: SendingStop, upstream: SandboxServer, service: Any, staff: Any
) -> None:
    search_orphans(stop=stop, actor=staff, width=50)
    poor = make.customer("poor@example.org")
    wallet_of(customer=poor)
    with nothing_changes(), pytest.raises(OrphanError, match="too little"):
        adopt_orphan(orphan=lost_orphan(upstream), customer=poor, order_input=lost_input(service), actor=staff)
    assert lost_orphan(upstream).state == Orphan.State.OPEN


def test_orphan_when_adopted_for_oneself_or_wrongly_then_refused(
    stop: SendingStop, upstream: SandboxServer, service: Any, customer: Any, staff: Any
) -> None:
    search_orphans(stop=stop, actor=staff, width=50)
    orphan = lost_orphan(upstream)
    with pytest.raises(OwnAccount):
        adopt_orphan(orphan=orphan, customer=staff, order_input=lost_input(service), actor=staff)
    with nothing_changes(), pytest.raises(OrderRefused):
        adopt_orphan(orphan=orphan, customer=customer, order_input=lost_input(service, 1), actor=staff)
    elsewhere = make.service(make.provider(url=upstream.url, api_key="other", name="Other"), external_id="9")
    with nothing_changes(), pytest.raises(OrphanError, match="is not of"):
        adopt_orphan(orphan=orphan, customer=customer, order_input=lost_input(elsewhere), actor=staff)


def test_orphan_when_written_off_then_closed_with_its_reason(
    stop: SendingStop, upstream: SandboxServer, staff: Any
) -> None:
    search_orphans(stop=stop, actor=staff, width=50)
    write_off_orphan(orphan=lost_orphan(upstream), note="The customer got it as a gift.", actor=staff)
    assert lost_orphan(upstream).state == Orphan.State.WRITTEN_OFF


def test_orphan_when_added_by_its_id_then_asked_about_and_kept(
    stop: SendingStop, upstream: SandboxServer, provider: Any
) -> None:
    [there] = [one for one in upstream.orders() if one.quantity == 77]
    assert add_orphan(provider=provider, upstream_id=f" {there.id} ").remains == 77


@pytest.mark.parametrize("upstream_id", ["", "a b", "999999999"])
def test_orphan_when_its_id_is_wrong_or_not_ours_then_error(stop: SendingStop, provider: Any, upstream_id: str) -> None:
    with nothing_changes(), pytest.raises(OrphanError):
        add_orphan(provider=provider, upstream_id=upstream_id)


def test_orphan_when_known_here_then_error(stop: SendingStop, provider: Any) -> None:
    known = Order.objects.exclude(upstream_id=None).first()
    assert known is not None
    with pytest.raises(OrphanError, match="already"):
        add_orphan(provider=provider, upstream_id=known.upstream_id)


def test_orphan_when_bound_to_a_doubt_then_closed(
    stop: SendingStop, upstream: SandboxServer, queued: list[Order], provider: Any, staff: Any
) -> None:
    search_orphans(stop=stop, actor=staff, width=50)
    bind_upstream_id(order=fresh(queued[0]), upstream_id=true_id(upstream, queued[0]), actor=staff)
    assert close_known_orphans(provider=provider) == 1
    assert Orphan.objects.get(order=queued[0]).state == Orphan.State.ADOPTED


# -- many doubts at once -----------------------------------------------------------------------------


def keys(group: doubts.Group) -> list[int]:
    return [order.pk for order in group.orders]


def test_doubts_when_grouped_then_by_what_the_ids_say(
    stop: SendingStop, upstream: SandboxServer, queued: list[Order], provider: Any, staff: Any
) -> None:
    search_orphans(stop=stop, actor=staff, width=50)
    found = doubts.doubts_after_restore(provider=provider)
    assert keys(found.found) == [queued[0].pk, queued[1].pk]
    assert found.ids == {order.pk: true_id(upstream, order) for order in queued[:2]}
    assert keys(found.missing) == [queued[2].pk]
    assert found.missing.charged == queued[2].charge
    assert keys(found.unclear) == []


def test_doubts_when_two_agree_with_one_orphan_then_unclear(
    stop: SendingStop, customer: Any, service: Any, queued: list[Order], provider: Any, staff: Any
) -> None:
    twin = make.order(customer, service, quantity=200)
    Order.objects.filter(pk=twin.pk).update(queued_at=timezone.now() - timedelta(days=1))
    stop_sending(reason=StopReason.RESTORED, text="Restored once more.")
    begin_after_restore(actor=staff)
    search_orphans(stop=stop, actor=staff, width=50)
    found = doubts.doubts_after_restore(provider=provider)
    assert keys(found.found) == [queued[0].pk]
    assert keys(found.unclear) == [queued[1].pk, twin.pk]
    # Sent again together, one would be delivered twice.
    assert doubts.send_doubts_again(provider=provider, seen=keys(found.unclear), actor=staff).count == 0


def test_bulk_decisions_when_made_then_each_order_once(
    stop: SendingStop, upstream: SandboxServer, queued: list[Order], provider: Any, customer: Any, staff: Any
) -> None:
    search_orphans(stop=stop, actor=staff, width=50)
    seen = [order.pk for order in queued]
    bound = doubts.bind_found(provider=provider, seen=seen, actor=staff)
    assert (bound.count, bound.charged) == (2, queued[0].charge + queued[1].charge)
    refunded = doubts.refund_doubts(provider=provider, seen=seen, note="Lost in an outage.", actor=staff)
    assert (refunded.count, refunded.charged) == (1, queued[2].charge)
    assert [fresh(order).submission for order in queued] == [
        Submission.ACCEPTED,
        Submission.ACCEPTED,
        Submission.REFUSED,
    ]
    assert doubts.refund_doubts(provider=provider, seen=seen, note="", actor=staff).count == 0


def test_bulk_sending_when_confirmed_then_sent_once_resumed(
    stop: SendingStop, upstream: SandboxServer, queued: list[Order], provider: Any, staff: Any
) -> None:
    adds = count_adds(upstream)
    sent = doubts.send_doubts_again(provider=provider, seen=[queued[2].pk], actor=staff)
    assert sent.count == 1
    submit_now()
    assert count_adds(upstream) == adds
    SendingStop.objects.update(ended_at=stop.created_at)
    submit_now()
    assert count_adds(upstream) == adds + 1


def test_bulk_decision_when_the_order_is_ones_own_then_left(
    stop: SendingStop, queued: list[Order], provider: Any, customer: Any
) -> None:
    decided = doubts.refund_doubts(provider=provider, seen=[queued[0].pk], note="Mine.", actor=customer)
    assert decided.count == 0
    assert decided.left.total() == 1
