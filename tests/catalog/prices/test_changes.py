"""Price changes: draft, preview, apply as previewed, undo.

By default a service costs $2.00 and sells for $2.50, with the panel's 25%.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from catalog.models import Category, PriceChange, PricePolicy, Provider, Service, UpstreamService
from catalog.prices.changes import (
    AlreadyApplied,
    ChangeRefused,
    PreviewOutdated,
    apply_change,
    change_prices,
    draft_change,
    draft_undo,
    preview_change,
)
from catalog.prices.edits import Edit, dump_edits, grouped, load_edits
from catalog.prices.storage import price_policy
from panel.alerts.models import Alert
from panel.lib.money import EXCHANGE_ONE
from tests import make
from tests.scenes import at_once, statements

pytestmark = pytest.mark.django_db


@pytest.fixture
def idle_provider(db):
    """A provider without a server."""
    price_policy()
    return make.provider()


@pytest.fixture
def sold_service(idle_provider):
    """A service on sale that costs $2.00 and sells for $2.50."""
    return make.service(idle_provider)


def draft(*edits: Edit, actor=None, summary="A change"):
    return draft_change(edits=edits, source=PriceChange.Source.LIST, summary=summary, actor=actor)


def change(kind, pk, **values):
    edits = [Edit(kind, (pk,), values)]
    return change_prices(edits=edits, source=PriceChange.Source.LIST, summary=f"{kind} {values}", is_confirmed=True)


def panel(**values):
    return Edit("panel", (1,), values)


def prices():
    return dict(Service.objects.order_by("pk").values_list("pk", "price"))


def catalog_state():
    """Return what a change may set, and what follows from it."""
    return (
        list(PricePolicy.objects.values()),
        list(Provider.objects.order_by("pk").values("pk", "exchange_rate", "margin_bp", "margin_fixed")),
        list(Category.objects.order_by("pk").values()),
        list(Service.objects.order_by("pk").values()),
        PriceChange.objects.filter(state=PriceChange.State.APPLIED).count(),
    )


# -- preview -----------------------------------------------------------------------------------------


def test_preview_when_margin_changes_then_effects_are_only_counted(idle_provider, sold_service):
    own = make.service(idle_provider, external_id="2", margin_bp=10_000)
    cheap = make.service(idle_provider, external_id="3", rate="0.01")
    before = catalog_state()
    preview = preview_change(change=draft(panel(margin_bp=1_000)))
    assert catalog_state() == before
    assert (preview.affected, preview.raised, preview.lowered) == (2, 0, 2)
    assert {one.after.pk: (one.before.price, one.after.price) for one in preview.effects} == {
        sold_service.pk: (2_500_000, 2_200_000),
        cheap.pk: (12_500, 11_000),
    }
    assert own.pk not in {one.after.pk for one in preview.effects}


def test_preview_when_prices_at_minimum_or_at_cost_then_counted(idle_provider, sold_service):
    change("panel", 1, minimum_margin_bp=1_000)
    at_cost = make.service(idle_provider, external_id="2")
    edits = (panel(margin_bp=0), Edit("service", (at_cost.pk,), {"allow_below_minimum": True}))
    preview = preview_change(change=draft(*edits))
    assert (preview.affected, preview.at_minimum, preview.earning_nothing) == (2, 2, 1)
    assert {one.after.pk: one.after.price for one in preview.effects} == {
        sold_service.pk: 2_200_000,
        at_cost.pk: 2_000_000,
    }


def test_preview_when_exchange_rate_rises_then_losses_are_counted(idle_provider, sold_service):
    preview = preview_change(change=draft(Edit("provider", (idle_provider.pk,), {"exchange_rate": 2 * EXCHANGE_ONE})))
    assert (preview.raised, preview.losing_at_old_price) == (1, 1)
    [effect] = preview.worst
    assert (effect.before.cost, effect.after.cost) == (2_000_000, 4_000_000)
    assert (effect.share_before, effect.share_after) == (2_500, 2_500)


def test_preview_when_a_price_would_be_lost_then_it_is_the_worst(idle_provider, sold_service):
    dear = make.service(idle_provider, external_id="2", rate="900000")
    preview = preview_change(change=draft(Edit("provider", (idle_provider.pk,), {"exchange_rate": 10**18})))
    assert (preview.affected, preview.raised, preview.lost_price, preview.taken_off_sale) == (2, 1, 1, 1)
    assert (preview.worst[0].after.pk, preview.worst[0].after.price) == (dear.pk, 0)
    assert preview.worst[0].earns_nothing


def test_worst_when_effects_are_many_then_the_ten_that_earn_least(idle_provider):
    made = [make.service(idle_provider, external_id=str(number), margin_bp=number * 100) for number in range(1, 14)]
    preview = preview_change(
        change=draft(
            *(Edit("service", (one.pk,), {"margin_bp": number * 50}) for number, one in enumerate(made, start=1))
        )
    )
    assert preview.affected == 13
    assert [one.after.pk for one in preview.worst] == [one.pk for one in made[:10]]


def test_preview_when_type_cannot_be_ordered_then_not_put_on_sale(idle_provider, sold_service):
    odd = make.service(idle_provider, external_id="2", type="subscriptions")
    Service.objects.update(is_on_sale=False)
    preview = preview_change(change=draft(Edit("service", (sold_service.pk, odd.pk), {"is_on_sale": True})))
    assert (preview.put_on_sale, preview.not_sellable, preview.affected) == (1, 1, 0)


def test_draft_when_column_is_set_twice_then_value_error(idle_provider, sold_service):
    with pytest.raises(ValueError, match="set twice"):
        draft(
            Edit("service", (sold_service.pk,), {"margin_bp": 1}), Edit("service", (sold_service.pk,), {"margin_bp": 2})
        )
    assert not PriceChange.objects.exists()


def test_edit_when_column_is_not_allowed_then_refused():
    with pytest.raises(ValueError, match="price"):
        Edit("service", (1,), {"price": 1})


def test_drafts_when_not_applied_then_deleted_after_a_day(idle_provider, sold_service):
    old, applied = draft(panel(margin_bp=1)), draft(panel(margin_bp=2_600))
    apply_change(change=applied, seen=None, actor=None)
    PriceChange.objects.update(created_at=timezone.now() - timedelta(days=2))
    draft(panel(margin_bp=3))
    assert not PriceChange.objects.filter(pk=old.pk).exists()
    assert PriceChange.objects.filter(pk=applied.pk).exists()


# -- apply -------------------------------------------------------------------------------------------


def test_apply_when_nothing_changed_since_then_as_previewed(idle_provider, sold_service, staff):
    drafted = draft(panel(margin_bp=5_000), actor=staff)
    shown = preview_change(change=drafted)
    done = apply_change(change=drafted, seen=shown.fingerprint, actor=staff)
    assert (done.raised, prices()) == (1, {sold_service.pk: 3_000_000})
    row = PriceChange.objects.get()
    assert (row.state, row.actor, row.affected, row.raised, row.lowered) == ("applied", staff, 1, 1, 0)
    assert load_edits(row.before) == [panel(margin_bp=2_500)]


@pytest.mark.parametrize("moved", ["rate", "panel", "category", "new service"])
def test_apply_when_anything_changed_since_then_refused(idle_provider, sold_service, moved):
    drafted = draft(panel(margin_bp=5_000))
    shown = preview_change(change=drafted)
    if moved == "rate":
        UpstreamService.objects.update(rate=2_100_000)
    elif moved == "panel":
        change("panel", 1, price_step=1_000_000)
    elif moved == "category":
        change("category", sold_service.category_id, margin_bp=3_000)
    else:
        make.service(idle_provider, external_id="2")
    before = catalog_state()
    with pytest.raises(PreviewOutdated, match="Nothing was applied"):
        apply_change(change=drafted, seen=shown.fingerprint, actor=None)
    assert catalog_state() == before


def test_apply_when_applied_before_then_refused(idle_provider, sold_service):
    drafted = draft(panel(margin_bp=5_000))
    apply_change(change=drafted, seen=None, actor=None)
    change("panel", 1, margin_bp=1_000)
    before = catalog_state()
    with pytest.raises(AlreadyApplied):
        apply_change(change=drafted, seen=None, actor=None)
    assert catalog_state() == before


@pytest.mark.parametrize("values", [{"margin_bp": 1_000}, {"category_id": 0}])
def test_apply_when_category_is_gone_then_refused(idle_provider, sold_service, values):
    category = Category.objects.create(name="Empty")
    edit = (
        Edit("service", (sold_service.pk,), {"category_id": category.pk})
        if "category_id" in values
        else Edit("category", (category.pk,), values)
    )
    drafted = draft(edit)
    category.delete()
    before = catalog_state()
    for act in (lambda: preview_change(change=drafted), lambda: apply_change(change=drafted, seen=None, actor=None)):
        with pytest.raises(ChangeRefused, match="does not exist any more"):
            act()
    assert catalog_state() == before


def test_apply_when_a_price_is_lost_then_off_sale_with_alert(idle_provider, sold_service):
    UpstreamService.objects.update(rate=10**15)
    done = change("panel", 1, margin_bp=3_000)
    assert (done.lost_price, done.taken_off_sale) == (1, 1)
    assert prices() == {sold_service.pk: 0}
    assert Alert.objects.filter(cause="catalog:no_price").count() == 1


@pytest.mark.parametrize("count", [10, 200])
def test_apply_when_services_are_many_then_statements_stay_the_same(idle_provider, count):
    category = make.service(idle_provider).category
    for number in range(2, count + 1):
        row = UpstreamService.objects.create(
            provider=idle_provider,
            external_id=str(number),
            name="x",
            type="default",
            rate=number * 1_000,
            min_quantity=1,
            max_quantity=9,
        )
        Service.objects.create(upstream=row, category=category, name="x")
    drafted = draft(panel(margin_bp=5_000))
    with statements() as found:
        apply_change(change=drafted, seen=None, actor=None)
    assert len(found) == 10, found
    assert Service.objects.filter(price=0).count() == 0


# -- undo --------------------------------------------------------------------------------------------


def test_undo_when_applied_then_all_as_before_and_in_history(idle_provider, sold_service, staff):
    other = make.service(idle_provider, external_id="2", margin_bp=1_000)
    before = catalog_state()
    edits = [Edit("service", (sold_service.pk, other.pk), {"margin_bp": 4_000}), panel(margin_fixed=100_000)]
    change_prices(edits=edits, source=PriceChange.Source.LIST, summary="Two at once", actor=staff)
    done = PriceChange.objects.get()
    undo = draft_undo(change=done, actor=staff)
    apply_change(change=undo, seen=preview_change(change=undo).fingerprint, actor=staff)
    assert catalog_state()[:-1] == before[:-1]
    assert (undo.undoes, undo.summary, undo.source) == (done, "Undo: Two at once", "undo")


def test_undo_when_a_value_was_changed_again_then_it_is_kept(idle_provider, sold_service):
    other = make.service(idle_provider, external_id="2")
    edits = [Edit("service", (sold_service.pk, other.pk), {"margin_bp": 4_000})]
    change_prices(edits=edits, source=PriceChange.Source.LIST, summary="Two at once")
    done = PriceChange.objects.get()
    change("service", other.pk, margin_bp=7_000)
    undo = draft_undo(change=done, actor=None)
    assert "1 changed since and kept" in undo.summary
    apply_change(change=undo, seen=None, actor=None)
    assert dict(Service.objects.values_list("pk", "margin_bp")) == {sold_service.pk: None, other.pk: 7_000}


def test_undo_when_nothing_is_left_to_undo_then_refused(idle_provider, sold_service):
    drafted = draft(panel(margin_bp=4_000))
    with pytest.raises(ChangeRefused, match="never applied"):
        draft_undo(change=drafted, actor=None)
    apply_change(change=drafted, seen=None, actor=None)
    change("panel", 1, margin_bp=5_000)
    with pytest.raises(ChangeRefused, match="nothing to undo"):
        draft_undo(change=drafted, actor=None)
    change("panel", 1, margin_bp=4_000)
    apply_change(change=draft_undo(change=drafted, actor=None), seen=None, actor=None)
    before = catalog_state()
    with pytest.raises(ChangeRefused, match="undone already"):
        draft_undo(change=drafted, actor=None)
    assert catalog_state() == before


def test_undo_when_it_is_of_an_undo_then_change_is_restored(idle_provider, sold_service):
    change("panel", 1, margin_bp=4_000)
    undo = draft_undo(change=PriceChange.objects.get(), actor=None)
    apply_change(change=undo, seen=None, actor=None)
    apply_change(change=draft_undo(change=undo, actor=None), seen=None, actor=None)
    assert price_policy().margin_bp == 4_000
    assert prices() == {sold_service.pk: 2_800_000}


# -- concurrency -------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_apply_when_sent_twice_at_once_then_applied_once(idle_provider, sold_service):
    drafted = draft(panel(margin_bp=5_000))
    seen = preview_change(change=drafted).fingerprint

    def send(_):
        return apply_change(change=PriceChange.objects.get(pk=drafted.pk), seen=seen, actor=None)

    results = at_once(4, send)
    refused = [one for one in results if isinstance(one, ChangeRefused)]
    assert len(refused) == 3, results
    assert PriceChange.objects.filter(state="applied").count() == 1
    assert load_edits(PriceChange.objects.get().before) == [panel(margin_bp=2_500)]
    assert prices() == {sold_service.pk: 3_000_000}


@pytest.mark.django_db(transaction=True)
def test_apply_when_two_changes_race_then_one_is_outdated(idle_provider, sold_service):
    """Each was previewed with the other's old prices, and nobody has seen both together."""
    drafts = [draft(panel(margin_bp=5_000)), draft(panel(margin_bp=1_000, margin_fixed=100_000))]
    seen = [preview_change(change=one).fingerprint for one in drafts]

    results = at_once(2, lambda place: apply_change(change=drafts[place], seen=seen[place], actor=None))
    assert sum(isinstance(one, PreviewOutdated) for one in results) == 1, results
    assert prices()[sold_service.pk] in (3_000_000, 2_300_000)


# -- edits -------------------------------------------------------------------------------------------


def test_edits_when_dumped_and_loaded_then_the_same():
    edits = [panel(margin_bp=1), Edit("service", (1, 2), {"margin_bp": None, "is_on_sale": True})]
    assert load_edits(dump_edits(edits)) == edits


def test_grouped_when_values_are_equal_then_one_edit():
    rows = [(1, {"margin_bp": 5}), (2, {"margin_bp": 6}), (3, {"margin_bp": 5}), (4, {})]
    assert grouped("service", rows) == [
        Edit("service", (1, 3), {"margin_bp": 5}),
        Edit("service", (2,), {"margin_bp": 6}),
    ]
