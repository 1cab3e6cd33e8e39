"""Times for refills that lists name: proposed, accepted or declined, and asked again only if the list changes."""

from __future__ import annotations

import pytest

from catalog.imports.run import import_services
from catalog.models import PriceChange, Service, UpstreamService
from catalog.prices.changes import apply_change, draft_undo
from catalog.prices.refill_proposals import ProposalsMoved, answer_proposal, count_proposals, open_proposals
from tests import make
from tests.catalog.imports.test_run import list_only

pytestmark = pytest.mark.django_db


@pytest.fixture
def idle_provider(db):
    """A provider without a server."""
    return make.provider()


def named(of, number, days, *, takes_refills=True):
    service = make.service(of, external_id=str(number), name=f"Followers {number}")
    UpstreamService.objects.filter(pk=service.upstream_id).update(refill_days=days, refill=takes_refills)
    return service


def answer(one, *, accept):
    values = {"provider_id": one.provider.pk, "days": one.days, "now": one.now, "seen": one.seen}
    return answer_proposal(**values, accept=accept, actor=None)


def days_of(service):
    return Service.objects.get(pk=service.pk).refill_days


def test_proposals_when_named_then_grouped_by_time(idle_provider):
    for number, days in enumerate((30, 30, 0, None, 36_500), start=1):
        named(idle_provider, number, days)
    named(idle_provider, 9, 30, takes_refills=False)
    found = [(one.shown_days, len(one.services), one.shown_now, one.examples) for one in open_proposals()]
    assert found == [
        ("30 days", 2, "not limited here", ["Followers 1", "Followers 2"]),
        ("no refill", 1, "not limited here", ["Followers 3"]),
        ("lifetime", 1, "not limited here", ["Followers 5"]),
    ]
    assert count_proposals() == 4


def test_proposal_when_accepted_then_set_until_the_list_changes(idle_provider):
    service = named(idle_provider, 1, 30)
    assert days_of(service) is None
    assert answer(open_proposals()[0], accept=True) == 1
    assert (days_of(service), count_proposals()) == (30, 0)
    UpstreamService.objects.update(refill_days=60)
    [again] = open_proposals()
    assert (again.days, again.now) == (60, 30)
    UpstreamService.objects.update(refill_days=None)
    assert (days_of(service), count_proposals()) == (30, 0)


def test_proposal_when_declined_then_not_asked_again(idle_provider):
    service = named(idle_provider, 1, 30)
    answer(open_proposals()[0], accept=False)
    assert (days_of(service), count_proposals()) == (None, 0)
    UpstreamService.objects.update(refill_days=60)
    assert count_proposals() == 1


def test_proposal_when_accepted_then_it_can_be_undone(idle_provider):
    service = named(idle_provider, 1, 30)
    answer(open_proposals()[0], accept=True)
    change = PriceChange.objects.get()
    assert (change.source, change.summary) == ("refill", "Upstream: 30 days for refills accepted for 1 service")
    apply_change(change=draft_undo(change=change, actor=None), seen=None, actor=None)
    assert (days_of(service), count_proposals()) == (None, 1)


def test_proposal_when_it_grew_since_shown_then_refused(idle_provider):
    service = named(idle_provider, 1, 30)
    [shown] = open_proposals()
    named(idle_provider, 2, 30)
    with pytest.raises(ProposalsMoved):
        answer(shown, accept=True)
    assert days_of(service) is None


def test_import_when_names_tell_a_time_then_only_proposed(upstream, provider):
    list_only(upstream)
    for number, (name, refill) in enumerate((("A R30", True), ("B ♻️ 30 days", True), ("C R30", False)), start=101):
        upstream.set_service(number, name=name, rate="2", category="X", min=10, max=1_000, refill=refill)
    import_services(provider=provider)
    assert set(Service.objects.values_list("refill_days", flat=True)) == {None}
    [one] = open_proposals()
    assert (one.days, one.examples) == (30, ["A R30", "B ♻️ 30 days"])


def test_import_when_columns_are_stated_then_stored_without_a_word(upstream, provider):
    list_only(upstream)
    extra = {"step": "50", "average_time": "1 hour", "start_time": "0-1 hour", "speed": "10K/day"}
    upstream.set_service(101, name="A", rate="2", category="X", min=10, max=1_000, row=extra)
    import_services(provider=provider)
    names = ("quantity_step", "average_time", "start_time", "speed")
    assert UpstreamService.objects.values_list(*names).get() == (50, "1 hour", "0-1 hour", "10K/day")
    upstream.set_service(101, row={**extra, "average_time": "2 hours"})
    run = import_services(provider=provider)
    assert (run.changed, provider.catalog_changes.count()) == (1, 0)
