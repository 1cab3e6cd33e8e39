"""What the owner says that a provider's word for a type means: at once, for later imports, and back again.

A service of the provider costs $2.00 and sells for $2.50, by 1000 or by package.
"""

from __future__ import annotations

import pytest

from catalog.imports.run import import_services
from catalog.models import PriceChange, Service, TypeWord, UpstreamService
from catalog.prices.changes import ChangeRefused, PreviewOutdated, apply_change, draft_undo, preview_change
from catalog.prices.type_words import draft_type, unknown_words, without_type
from catalog.selectors import services_on_sale
from orders.checkout.create import loss_note
from orders.checkout.drip_feeds import begin_next_run
from orders.models import DripFeed, Order
from panel.lib import clock
from tests import make
from tests.catalog.imports.test_run import list_only

pytestmark = pytest.mark.django_db


@pytest.fixture
def idle_provider(db):
    """A provider without a server."""
    return make.provider()


def unknown(of, external_id="1", *, word="likes", low=10, high=10_000, on_sale=False):
    """Create a service whose type nobody knows."""
    service = make.service(of, external_id=external_id, type=word, low=low, high=high)
    UpstreamService.objects.filter(pk=service.upstream_id).update(type_word=word)
    Service.objects.filter(pk=service.pk).update(is_on_sale=on_sale)
    return service


def teach(of, service_type, *, word="likes", put_on_sale=True):
    change = draft_type(provider=of, word=word, service_type=service_type, put_on_sale=put_on_sale, actor=None)
    preview = preview_change(change=change)
    apply_change(change=change, seen=preview.fingerprint, actor=None)
    return change, preview


def undo(change):
    back = draft_undo(change=change, actor=None)
    return apply_change(change=back, seen=preview_change(change=back).fingerprint, actor=None)


def state(service):
    fresh = Service.objects.select_related("upstream").get(pk=service.pk)
    return fresh.type, fresh.is_on_sale, fresh.is_package


# -- teaching ----------------------------------------------------------------------------------------


def test_teach_when_applied_then_all_its_services_are_sold(idle_provider):
    services = [unknown(idle_provider, str(number)) for number in (1, 2, 3)]
    other = unknown(idle_provider, "4", word="views")
    assert [(one.word, one.listed) for one in without_type()] == [("likes", 3), ("views", 1)]
    change, preview = teach(idle_provider, "default")
    assert (preview.retyped, preview.put_on_sale, preview.affected) == (3, 3, 0)
    assert {state(one) for one in services} == {("default", True, False)}
    assert state(other) == ("views", False, False)
    assert services_on_sale().count() == 3
    assert [one.word for one in without_type()] == ["views"]
    assert change.summary == "Upstream: “likes” is Default"


def test_teach_when_another_provider_has_the_word_then_not_touched(idle_provider):
    other = unknown(make.provider(name="Other"), word="likes")
    unknown(idle_provider)
    teach(idle_provider, "default")
    assert state(other) == ("likes", False, False)


def test_teach_when_not_put_on_sale_then_only_the_type_changes(idle_provider):
    service = unknown(idle_provider)
    _, preview = teach(idle_provider, "default", put_on_sale=False)
    assert (preview.retyped, preview.put_on_sale) == (1, 0)
    assert state(service) == ("default", False, False)


def test_teach_when_undone_then_as_before(idle_provider):
    service = unknown(idle_provider)
    change, _ = teach(idle_provider, "package")
    assert state(service) == ("package", True, True)
    undone = undo(change)
    assert (undone.retyped, undone.taken_off_sale) == (1, 1)
    assert state(service) == ("likes", False, False)
    assert TypeWord.objects.get().type == ""
    with pytest.raises(ChangeRefused):
        draft_undo(change=change, actor=None)


def test_teach_when_services_came_meanwhile_then_shown_again(idle_provider):
    unknown(idle_provider)
    change = draft_type(provider=idle_provider, word="likes", service_type="default", put_on_sale=True, actor=None)
    seen = preview_change(change=change).fingerprint
    later = unknown(idle_provider, "2")
    with pytest.raises(PreviewOutdated):
        apply_change(change=change, seen=seen, actor=None)
    assert state(later) == ("likes", False, False)


def test_teach_when_taught_otherwise_meanwhile_then_shown_again(idle_provider):
    unknown(idle_provider)
    change = draft_type(provider=idle_provider, word="likes", service_type="seo", put_on_sale=False, actor=None)
    seen = preview_change(change=change).fingerprint
    teach(idle_provider, "default", put_on_sale=False)
    with pytest.raises(PreviewOutdated):
        apply_change(change=change, seen=seen, actor=None)


@pytest.mark.parametrize(
    ("word", "service_type"),
    [
        ("default", "package"),
        ("subscriptions", "default"),
        ("likes", "subscriptions"),
        ("likes", "nothing"),
        ("x", "seo"),
    ],
)
def test_teach_when_known_or_not_sold_then_refused(idle_provider, word, service_type):
    unknown(idle_provider, word="subscriptions" if word == "subscriptions" else "likes")
    with pytest.raises(ChangeRefused):
        draft_type(provider=idle_provider, word=word, service_type=service_type, put_on_sale=True, actor=None)
    assert not PriceChange.objects.exists()


def test_teach_when_it_means_that_already_then_refused(idle_provider):
    unknown(idle_provider)
    teach(idle_provider, "default")
    with pytest.raises(ChangeRefused):
        draft_type(provider=idle_provider, word="likes", service_type="default", put_on_sale=True, actor=None)


def test_unknown_words_when_taught_then_listed_with_their_type(idle_provider):
    unknown(idle_provider, "1", word="")
    unknown(idle_provider, "2", word="likes")
    teach(idle_provider, "default", word="likes")
    found = [(one.plain, one.type, one.listed, one.on_sale) for one in unknown_words()]
    assert found == [("", "", 1, 0), ("likes", "default", 1, 1)]


def test_without_type_when_known_since_upgrade_then_left_out(idle_provider):
    unknown(idle_provider, word="custom_comment")
    assert without_type() == unknown_words() == []


# -- money -------------------------------------------------------------------------------------------


def test_teach_when_surely_a_package_then_never_sold_per_thousand(idle_provider):
    package = unknown(idle_provider, "1", low=1, high=1)
    usual = unknown(idle_provider, "2")
    _, preview = teach(idle_provider, "default")
    assert (preview.retyped, preview.put_on_sale) == (2, 1)
    assert state(package) == ("default", False, False)
    assert state(usual) == ("default", True, False)


def test_teach_when_counted_anew_then_off_sale_unless_chosen(idle_provider):
    service = unknown(idle_provider)
    teach(idle_provider, "default")
    change, preview = teach(idle_provider, "package", put_on_sale=False)
    assert (preview.retyped, preview.taken_off_sale) == (1, 1)
    assert state(service) == ("package", False, True)
    undo(change)
    assert state(service) == ("default", True, False)
    teach(idle_provider, "package", put_on_sale=True)
    assert state(service) == ("package", True, True)


def test_teach_when_another_type_per_thousand_then_stays_on_sale(idle_provider):
    service = unknown(idle_provider)
    teach(idle_provider, "default")
    teach(idle_provider, "custom_comments", put_on_sale=False)
    assert state(service) == ("custom_comments", True, False)


def test_teach_when_sold_then_never_below_cost(idle_provider):
    service = unknown(idle_provider)
    teach(idle_provider, "package")
    fresh = Service.objects.get(pk=service.pk)
    assert (fresh.cost, fresh.price) == (2_000_000, 2_500_000)


def test_teach_when_no_price_then_not_put_on_sale(idle_provider):
    service = unknown(idle_provider)
    UpstreamService.objects.update(rate=0)
    _, preview = teach(idle_provider, "default")
    assert preview.not_sellable == 1
    assert not Service.objects.get(pk=service.pk).is_on_sale


def test_order_when_type_changes_then_keeps_its_own(idle_provider, customer):
    service = unknown(idle_provider)
    teach(idle_provider, "default")
    order = make.order(customer, Service.objects.get(pk=service.pk), quantity=1_000)
    teach(idle_provider, "package")
    fresh = Order.objects.select_related("service__upstream").get(pk=order.pk)
    assert (fresh.service_type, fresh.is_package, fresh.charge) == ("default", False, 2_500_000)
    assert loss_note(fresh) == ""


def test_order_when_package_turned_per_thousand_then_loss_is_seen(idle_provider, customer):
    service = unknown(idle_provider)
    teach(idle_provider, "package")
    order = make.order(customer, Service.objects.get(pk=service.pk), quantity=None)
    teach(idle_provider, "default")
    UpstreamService.objects.update(rate=9_000_000)
    make.reprice(services=Service.objects.all())
    fresh = Order.objects.select_related("service__upstream").get(pk=order.pk)
    assert "It would cost" in loss_note(fresh)  # The package costs $9, and not a thousandth of it.


def test_drip_feed_when_type_changes_then_runs_cost_as_sold(idle_provider, customer):
    service = unknown(idle_provider)
    teach(idle_provider, "default")
    drip = make.drip(customer, Service.objects.get(pk=service.pk), quantity=100, runs=2)
    teach(idle_provider, "package")
    DripFeed.objects.update(next_run_at=clock.now())
    assert begin_next_run(pk=drip.pk)
    assert list(Order.objects.order_by("run").values_list("service_type", "expected_cost")) == [
        ("default", 200_000),
        ("default", 200_000),
    ]


# -- imports -----------------------------------------------------------------------------------------


def test_import_when_word_was_taught_then_new_services_have_it(upstream, provider):
    list_only(upstream)
    upstream.set_service(101, name="A", rate="2", category="X", min=10, max=1_000, row={"type": "likes"})
    upstream.set_service(102, name="B", rate="2", category="X", min=10, max=1_000, row={"type": None})
    import_services(provider=provider)
    assert dict(UpstreamService.objects.values_list("name", "type")) == {"A": "likes", "B": ""}
    assert services_on_sale().count() == 0
    teach(provider, "default")
    teach(provider, "poll", word="")
    upstream.set_service(103, name="C", rate="2", category="X", min=10, max=1_000, row={"type": "LIKES"})
    run = import_services(provider=provider)
    assert (run.outcome, run.added, run.changed) == ("applied", 1, 0)
    assert dict(UpstreamService.objects.values_list("name", "type")) == {"A": "default", "B": "poll", "C": "default"}
    assert services_on_sale().count() == 3


def test_import_when_word_is_taught_meanwhile_then_not_overwritten(upstream, provider, monkeypatch):
    list_only(upstream)
    upstream.set_service(101, name="A", rate="2", category="X", min=10, max=1_000, row={"type": "likes"})
    import_services(provider=provider)
    upstream.set_service(101, name="A, renamed", row={"type": "likes"})
    from catalog.imports import run

    compare, calls = run.plan_import, []

    def teach_then_compare(**values):
        plan = compare(**values)
        if not calls:
            teach(provider, "default")  # Between comparing and writing.
        calls.append(1)
        return plan

    monkeypatch.setattr(run, "plan_import", teach_then_compare)
    assert import_services(provider=provider).outcome == "applied"
    row = UpstreamService.objects.get()
    assert (row.name, row.type, len(calls)) == ("A, renamed", "default", 2)


def test_import_when_type_unknown_and_no_limits_then_kept(upstream, provider):
    list_only(upstream)
    upstream.set_service(101, name="A", rate="2", category="X", row={"type": "paket", "min": None, "max": None})
    run = import_services(provider=provider)
    assert (run.added, run.skipped_count) == (1, 0)
    teach(provider, "package", word="paket")
    assert services_on_sale().get().highest_quantity == 1
