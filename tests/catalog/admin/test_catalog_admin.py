"""Staff look after the catalog: imports, the inbox of upstream changes, and categories."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from catalog.admin.imports import steps_of
from catalog.admin.inbox import changed_words, inbox_state_of
from catalog.imports.queue import run_due_imports
from catalog.imports.run import sync_provider
from catalog.models import CatalogChange, Category, PriceChange, Provider, Service, SyncRun, UpstreamService
from catalog.prices.storage import price_policy
from panel.alerts.causes import Cause
from panel.alerts.models import Alert
from panel.alerts.services import raise_alert
from tests import make
from tests.scenes import at_once, statements

pytestmark = [pytest.mark.django_db, pytest.mark.once]

IMPORTS = "/admin/catalog/syncrun/"
INBOX = "/admin/catalog/catalogchange/"
CATEGORIES = "/admin/catalog/category/"
HOSTILE = "<script>alert(1)</script>" + "x" * 400


def helper_with(*codenames: str) -> Client:
    helper = make.customer("helper@example.org")
    helper.is_staff = True
    helper.save()
    helper.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(helper)
    return client


def everything() -> list[Any]:
    models = (Provider, Category, UpstreamService, Service, CatalogChange, SyncRun)
    return [
        *(list(model._default_manager.order_by("pk").values()) for model in models),
        PriceChange.objects.filter(state="applied").count(),
        LogEntry.objects.count(),
    ]


def text_of(answer: Any) -> str:
    return answer.content.decode()


# -- imports -----------------------------------------------------------------------------------------


def page_of(run: SyncRun) -> str:
    return f"{IMPORTS}{run.pk}/change/"


def refused(upstream: Any, provider: Any) -> SyncRun:
    """The provider lists 20 of its 60 services only."""
    sync_provider(provider=provider)
    for number in range(1, 41):
        upstream.set_service(number, listed=False)
    run = sync_provider(provider=provider)
    assert run.outcome == "refused"
    return run


def test_steps_then_they_tell_how_far_a_run_has_come():
    assert [one.state for one in steps_of(SyncRun(phase="waiting"))] == ["now", "ahead", "ahead", "ahead"]
    assert [one.state for one in steps_of(SyncRun(phase="comparing"))] == ["done", "done", "now", "ahead"]
    assert [one.state for one in steps_of(SyncRun(phase="done"))] == ["done"] * 4


def test_import_when_it_is_under_way_then_its_page_asks_again_until_it_has_ended(staff_client, provider):
    run = SyncRun.objects.create(provider=provider, outcome="running", phase="comparing", listed=1_234)
    text = text_of(staff_client.get(page_of(run)))
    progress = f"{IMPORTS}{run.pk}/progress/"
    assert f'hx-get="{progress}"' in text
    assert "1,234 services listed" in text
    answer = staff_client.get(progress)
    assert "HX-Refresh" not in answer
    assert "hx-get" in text_of(answer)
    SyncRun.objects.update(outcome="applied", phase="done", finished_at=timezone.now())
    answer = staff_client.get(progress)
    assert answer["HX-Refresh"] == "true"
    assert "hx-get" not in text_of(answer)
    assert progress not in text_of(staff_client.get(page_of(run)))


def test_import_when_applied_then_its_page_tells_what_came_of_it_and_offers_nothing(staff_client, upstream, provider):
    run = sync_provider(provider=provider)
    text = text_of(staff_client.get(page_of(run)))
    assert "Applied" in text
    assert "60" in text
    assert f"{IMPORTS}{run.pk}/again/" not in text
    before = everything()
    for data in ({}, {"accept": "1"}):
        answer = staff_client.post(f"{IMPORTS}{run.pk}/again/", data, follow=True)
        assert "Nothing was changed" in text_of(answer)
    assert everything() == before


def test_import_when_refused_then_looked_at_and_applied_anyway(staff_client, staff, upstream, provider):
    run = refused(upstream, provider)
    text = text_of(staff_client.get(page_of(run)))
    assert "The list lacks" in text
    assert "On sale, and not in the list any more" in text
    assert "Apply anyway" in text
    answer = staff_client.post(f"{IMPORTS}{run.pk}/again/", {"accept": "1"})
    queued = SyncRun.objects.get(outcome="queued")
    assert answer.url == page_of(queued)
    assert (queued.accepts, queued.actor, queued.force) == (run, staff, False)
    assert LogEntry.objects.filter(object_id=str(queued.pk)).exists()
    assert run_due_imports() == 1
    queued.refresh_from_db()
    assert queued.outcome == "applied"
    # A newer list was applied: there is nothing left to accept.
    text = text_of(staff_client.get(page_of(run)))
    assert "Apply anyway" not in text
    assert "A newer list was applied since" in text
    before = everything()
    answer = staff_client.post(f"{IMPORTS}{run.pk}/again/", {"accept": "1"}, follow=True)
    assert "Nothing was changed" in text_of(answer)
    assert everything() == before


def test_import_when_refused_for_rates_or_currency_then_its_page_shows_old_and_new(staff_client, provider):
    grounds = {
        "gone": [],
        "rates": {"7": 90_000_000},
        "currency": "TRY",
        "examples": {"gone": [], "rates": [["7", HOSTILE, 900_000, 90_000_000]]},
    }
    run = SyncRun.objects.create(provider=provider, outcome="refused", listed=5, grounds=grounds, reason="It leapt.")
    text = text_of(staff_client.get(page_of(run)))
    assert "$0.90 → $90.00" in text
    assert "<strong>TRY</strong>" in text
    assert "Apply anyway" in text
    assert "<script>alert" not in text


def test_import_when_the_list_was_empty_then_it_cannot_be_applied(staff_client, upstream, provider):
    sync_provider(provider=provider)
    for number in range(1, 61):
        upstream.set_service(number, listed=False)
    run = sync_provider(provider=provider)
    text = text_of(staff_client.get(page_of(run)))
    assert "The list is empty" in text
    assert "Apply anyway" not in text
    assert "Ask for the list again" in text
    before = everything()
    staff_client.post(f"{IMPORTS}{run.pk}/again/", {"accept": "1"})
    assert everything() == before


def test_import_when_failed_then_it_can_be_asked_for_again(staff_client, upstream, provider):
    upstream.close()
    run = sync_provider(provider=provider)
    assert "Ask for the list again" in text_of(staff_client.get(page_of(run)))
    for _ in range(2):
        staff_client.post(f"{IMPORTS}{run.pk}/again/")
    queued = SyncRun.objects.get(outcome="queued")
    assert queued.accepts is None


def test_import_when_rows_were_skipped_then_its_page_tells_which_and_why(staff_client, provider):
    run = SyncRun.objects.create(
        provider=provider, outcome="applied", phase="done", skipped=[[3, "7", HOSTILE]], skipped_count=250
    )
    text = text_of(staff_client.get(page_of(run)))
    assert "And 249 more" in text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


def test_import_when_the_user_may_only_look_then_no_buttons_and_no_posts(upstream, provider):
    run = refused(upstream, provider)
    client = helper_with("view_syncrun")
    text = text_of(client.get(page_of(run)))
    assert "Apply anyway" not in text
    assert "Ask for the list again" not in text
    before = everything()
    for data in ({}, {"accept": "1"}):
        assert client.post(f"{IMPORTS}{run.pk}/again/", data).status_code == 403
    assert everything() == before


def test_import_when_the_user_may_not_look_then_forbidden(provider):
    run = SyncRun.objects.create(provider=provider)
    client = helper_with("view_provider")
    for address in (IMPORTS, page_of(run), f"{IMPORTS}{run.pk}/progress/"):
        assert client.get(address).status_code == 403


def test_import_when_its_button_is_a_link_then_nothing_is_queued(staff_client, upstream, provider):
    run = refused(upstream, provider)
    before = everything()
    assert staff_client.get(f"{IMPORTS}{run.pk}/again/").status_code == 405
    assert everything() == before


@pytest.mark.parametrize("count", [2, 40])
def test_imports_when_they_are_many_then_the_statements_stay_the_same(staff_client, staff, provider, count):
    for _ in range(count):
        SyncRun.objects.create(provider=provider, outcome="failed", actor=staff, reason=HOSTILE)
    with statements() as found:
        text = text_of(staff_client.get(IMPORTS))
    assert "<script>alert" not in text
    assert len(found) <= 14, found


# -- the inbox ---------------------------------------------------------------------------------------


def changed(service: Service | None = None, *, kind: str = "rate_up", **values: Any) -> CatalogChange:
    """A change that waits; of a service for $2.00 that costs $3.00 now, unless told otherwise."""
    upstream = service.upstream if service else UpstreamService.objects.get()
    topic = {"rate_up": "rate", "rate_down": "rate", "new": "listing", "gone": "listing", "returned": "listing"}
    rise = {"rate": 2_000_000}, {"rate": 3_000_000}, 2_500_000, 3_750_000
    defaults = dict(zip(("old", "new", "price_before", "price_after"), rise, strict=True)) if kind == "rate_up" else {}
    return CatalogChange.objects.create(
        provider=upstream.provider,
        upstream=upstream,
        service=service,
        kind=kind,
        topic=topic.get(kind, kind),
        **{
            **(defaults if kind == "rate_up" else {}),
            "price_after": 3_750_000 if kind == "rate_up" else None,
            **values,
        },
    )


def accept(client: Client, *changes: CatalogChange, action: str = "accept_selected", **data: Any) -> Any:
    """Opens the inbox, selects and acts, as a person does."""
    seen = re.search(r'name="seen_until" value="([^"]*)"', text_of(client.get(INBOX)))[1]
    chosen = [one.pk for one in changes]
    return client.post(INBOX, {"action": action, "_selected_action": chosen, "seen_until": seen, **data}, follow=True)


@pytest.fixture
def sold(db):
    """On sale for $2.50, of a provider that nobody talks to."""
    price_policy()
    return make.service(make.provider())


@pytest.mark.parametrize(
    ("kind", "old", "new", "words"),
    [
        ("rate_up", {"rate": 2_000_000}, {"rate": 2_500_000}, ["rate $2.00 → $2.50 (+25%)"]),
        ("rate_down", {"rate": 2_000_000}, {"rate": 1_333_333}, ["rate $2.00 → $1.333333 (−33%)"]),
        ("rate_up", {"rate": 0}, {"rate": 1_000_000}, ["rate $0.00 → $1.00"]),
        (
            "limits",
            {"min_quantity": 10, "max_quantity": 10_000},
            {"min_quantity": 100, "max_quantity": 5_000},
            ["at least 10 → 100", "at most 10,000 → 5,000"],
        ),
        ("flags", {"refill": True, "type": "default"}, {"refill": False, "type": "package"}, None),
        ("text", {"name": "A" * 500}, {"name": "B"}, [f"name “{'A' * 99}…” → “B”"]),
        ("gone", {"is_listed": True}, {"is_listed": False}, ["It is not in the list any more, and cannot be ordered."]),
        ("new", {}, {"is_listed": True}, ["It is new in the list."]),
        ("returned", {"is_listed": False}, {"is_listed": True}, ["It is in the list again."]),
    ],
)
def test_changed_words_then_what_the_provider_changed(sold, kind, old, new, words):
    change = changed(sold, kind=kind, old=old, new=new)
    expected = words or ["refill yes → no", "type “default” → “package”"]
    assert list(changed_words(change)) == expected


def test_inbox_then_urgent_ones_stand_on_top_and_each_leads_to_its_service(staff_client, sold):
    other = make.service(sold.upstream.provider, external_id="2", name="Likes")
    now = timezone.now()
    changed(sold, is_urgent=True, action="repriced", changed_at=now - timedelta(hours=5))
    changed(other, kind="limits", old={"max_quantity": 5}, new={"max_quantity": 6}, changed_at=now)
    text = text_of(staff_client.get(INBOX))
    assert text.index("Urgent") < text.index("at most 5 → 6")
    assert reverse("admin:catalog_service_change", args=[sold.pk]) in text
    assert "rate $2.00 → $3.00 (+50%)" in text
    assert "price $2.50 → $3.75" in text
    assert "Re-priced" in text


def test_inbox_when_nothing_waits_then_it_says_so(staff_client, sold):
    assert "All is seen" in text_of(staff_client.get(INBOX))
    changed(sold)
    assert "All is seen" not in text_of(staff_client.get(INBOX))
    assert "Nothing matches" in text_of(staff_client.get(INBOX, {"q": "no such thing"}))


def test_inbox_when_filtered_and_searched_then_only_what_was_asked_for(staff_client, sold):
    other = make.service(make.provider(name="Elsewhere"), external_id="77", name="Likes")
    changed(sold, is_urgent=True)
    changed(other, kind="gone", new={"is_listed": False})
    changed(other, kind="limits", accepted_at=timezone.now())

    def found(**query: Any) -> set[str]:
        return {str(one) for one in staff_client.get(INBOX, query).context["cl"].result_list}

    up, gone, limits = "Rate up: 1 · Followers", "Gone: 77 · Likes", "Limits: 77 · Likes"
    assert found() == {up, gone}
    assert found(seen="yes") == {limits}
    assert found(seen="all") == {up, gone, limits}
    assert found(kind__exact="gone") == {gone}
    assert found(is_urgent__exact="1") == {up}
    assert found(provider__id__exact=other.upstream.provider_id) == {gone}
    assert found(q="Follow") == {up}
    assert found(q="77") == {gone}


def test_inbox_when_accepted_in_bulk_then_closed_by_whom_and_logged(staff_client, staff, sold):
    raise_alert(cause=Cause.RATE_RISES, about=sold.upstream.provider_id, text="One rate rose.")
    first, second = changed(sold, is_urgent=True), changed(sold, kind="limits")
    third = changed(sold, kind="text")
    answer = accept(staff_client, first, second)
    assert "2 accepted." in text_of(answer)
    assert set(CatalogChange.objects.filter(accepted_by=staff).values_list("pk", flat=True)) == {first.pk, second.pk}
    third.refresh_from_db()
    assert third.accepted_at is None
    assert not Alert.objects.filter(resolved_at=None).exists()
    assert "2 accepted." in LogEntry.objects.get().change_message


def test_inbox_when_all_of_it_is_selected_then_what_came_since_still_waits(staff_client, sold):
    first = changed(sold)
    others = [changed(make.service(sold.upstream.provider, external_id=str(n)), kind="limits") for n in range(2, 60)]
    seen = re.search(r'name="seen_until" value="([^"]*)"', text_of(staff_client.get(INBOX)))[1]
    late = changed(sold, kind="text")
    CatalogChange.objects.filter(pk=first.pk).update(changed_at=timezone.now(), new={"rate": 9_000_000})
    data = {"action": "accept_selected", "_selected_action": [others[0].pk], "select_across": "1", "seen_until": seen}
    answer = staff_client.post(INBOX, data, follow=True)
    assert "58 accepted." in text_of(answer)
    assert "2 changed since you opened the page. They still wait." in text_of(answer)
    assert set(CatalogChange.objects.filter(accepted_at=None).values_list("pk", flat=True)) == {first.pk, late.pk}


@pytest.mark.parametrize("seen", ["", "x", "2026-01-01", "2026-13-45T00:00:00+00:00", "2026-01-01T00:00:00"])
def test_inbox_when_sent_without_what_it_showed_then_nothing_is_accepted(staff_client, sold, seen):
    change = changed(sold)
    before = everything()
    answer = accept(staff_client, change, seen_until=seen)
    assert "Nothing was accepted" in text_of(answer)
    assert everything() == before


def test_inbox_when_accepted_and_put_on_sale_then_services_go_on_sale_with_a_history(staff_client, staff, sold):
    gone = make.service(sold.upstream.provider, external_id="2")
    Service.objects.update(is_on_sale=False)
    UpstreamService.objects.filter(pk=gone.upstream_id).update(is_listed=False)
    rows = [changed(sold, action="off_sale"), changed(gone, kind="gone", new={"is_listed": False})]
    answer = accept(staff_client, *rows, action="accept_selected_on_sale")
    assert "2 accepted. 1 put on sale. 1 could not be" in text_of(answer)
    assert dict(Service.objects.values_list("pk", "is_on_sale")) == {sold.pk: True, gone.pk: False}
    assert PriceChange.objects.get(state="applied").actor == staff


@pytest.mark.parametrize(("name", "on_sale"), [("accept", False), ("accept_on_sale", True)])
def test_inbox_when_one_is_accepted_then_back_to_the_list_as_it_was(staff_client, sold, name, on_sale):
    Service.objects.update(is_on_sale=False)
    change = changed(sold)
    here = f"{INBOX}?kind__exact=rate_up"
    text = text_of(staff_client.get(here))
    address = f"{INBOX}{change.pk}/{name}/"
    assert f'formaction="{address}"' in text
    answer = staff_client.post(address, {"seen": inbox_state_of(change), "next": here})
    assert answer.url == here
    change.refresh_from_db()
    assert change.accepted_at is not None
    assert Service.objects.get().is_on_sale is on_sale
    # Once more: told, and nothing done.
    before = everything()
    assert "accepted already" in text_of(staff_client.post(address, {"seen": inbox_state_of(change)}, follow=True))
    assert everything() == before


def test_inbox_when_one_changed_since_it_was_shown_then_it_still_waits(staff_client, sold):
    change = changed(sold)
    CatalogChange.objects.update(changed_at=timezone.now(), new={"rate": 9_000_000})
    before = everything()
    answer = staff_client.post(f"{INBOX}{change.pk}/accept/", {"seen": inbox_state_of(change)}, follow=True)
    assert "It changed since you opened this page" in text_of(answer)
    assert everything() == before


def test_inbox_when_a_button_is_opened_as_a_link_then_it_asks_first(staff_client, sold):
    change = changed(sold)
    before = everything()
    for name in ("accept", "accept_on_sale"):
        assert "rate $2.00 → $3.00" in text_of(staff_client.get(f"{INBOX}{change.pk}/{name}/"))
    assert everything() == before


def test_inbox_when_the_user_may_only_look_then_nothing_can_be_accepted(sold):
    change = changed(sold)
    Service.objects.update(is_on_sale=False)
    before = everything()
    client = helper_with("view_catalogchange")
    assert client.get(f"{INBOX}{change.pk}/change/").status_code == 200
    assert client.post(f"{INBOX}{change.pk}/accept/", {"seen": inbox_state_of(change)}).status_code == 403
    accept(client, change)
    assert everything() == before


def test_inbox_when_the_user_may_change_no_services_then_none_is_put_on_sale(sold):
    change = changed(sold)
    Service.objects.update(is_on_sale=False)
    before = everything()
    client = helper_with("view_catalogchange", "change_catalogchange")
    assert client.post(f"{INBOX}{change.pk}/accept_on_sale/", {"seen": inbox_state_of(change)}).status_code == 403
    accept(client, change, action="accept_selected_on_sale")
    assert everything() == before
    accept(client, change)
    assert CatalogChange.objects.filter(accepted_at=None).count() == 0


def test_inbox_when_texts_are_hostile_then_escaped(staff_client, sold):
    Service.objects.update(name=HOSTILE)
    UpstreamService.objects.update(name=HOSTILE, external_id="<i>1</i>")
    Provider.objects.update(name="<b>bold</b>")
    change = changed(sold, kind="text", old={"name": "x"}, new={"name": HOSTILE, "<u>": HOSTILE})
    for address in (INBOX, f"{INBOX}{change.pk}/change/", f"{INBOX}{change.pk}/accept/"):
        text = text_of(staff_client.get(address))
        for raw in ("<script>alert", "<b>bold", "<i>1", "<u>"):
            assert raw not in text


@pytest.mark.parametrize("count", [2, 45])
def test_inbox_when_it_is_long_then_the_statements_stay_the_same(staff_client, sold, count):
    for number in range(count):
        changed(make.service(sold.upstream.provider, external_id=f"s{number}"), kind="limits")
    with statements() as found:
        assert staff_client.get(INBOX).context["cl"].result_count == count
    assert len(found) <= 14, found


@pytest.mark.django_db(transaction=True)
def test_inbox_when_accepted_twice_at_once_then_once(sold, staff):
    change = changed(sold)
    clients = [Client(), Client()]
    for client in clients:
        client.force_login(staff)

    def send(place: int) -> Any:
        return clients[place].post(f"{INBOX}{change.pk}/accept/", {"seen": inbox_state_of(change)}).status_code

    assert at_once(2, send) == [302, 302]
    assert LogEntry.objects.count() == 1


def test_overview_when_rates_rose_past_the_minimum_margin_then_it_tells_those_who_may_see_it(staff_client, sold):
    changed(sold, is_urgent=True)
    changed(sold, kind="limits")
    text = text_of(staff_client.get(reverse("admin:index")))
    assert re.search(r'href="/admin/catalog/catalogchange/"><span[^>]*>1</span> rise past the minimum margin<', text)
    assert "past the minimum margin" not in text_of(helper_with("view_order").get(reverse("admin:index")))


# -- categories --------------------------------------------------------------------------------------


def test_categories_then_the_list_tells_margins_and_services(staff_client, sold):
    Category.objects.update(margin_bp=2_550, margin_fixed=100_000)
    off = make.service(sold.upstream.provider, external_id="2")
    Service.objects.filter(pk=off.pk).update(is_on_sale=False)
    [row] = staff_client.get(CATEGORIES).context["cl"].result_list
    assert (row.service_count, row.on_sale_count) == (2, 1)
    assert "25.5% + $0.10" in text_of(staff_client.get(CATEGORIES))


@pytest.mark.parametrize("count", [2, 40])
def test_categories_when_they_are_many_then_the_statements_stay_the_same(staff_client, sold, count):
    for number in range(count):
        Category.objects.create(name=f"Shelf {number}")
    with statements() as found:
        staff_client.get(CATEGORIES)
    assert len(found) <= 14, found


def test_categories_when_dragged_then_only_their_positions_are_saved(staff_client, sold):
    first, second = Category.objects.get(), Category.objects.create(name="Other", position=1)
    data = {
        "form-TOTAL_FORMS": "2",
        "form-INITIAL_FORMS": "2",
        "form-0-id": first.pk,
        "form-0-position": "1",
        "form-1-id": second.pk,
        "form-1-position": "0",
        "_save": "Save",
    }
    assert staff_client.post(CATEGORIES, data).status_code == 302
    assert list(Category.objects.values_list("name", "position")) == [("Other", 0), ("Social", 1)]
    assert not PriceChange.objects.exists()


def test_category_when_added_then_it_has_its_margin_at_once(staff_client, db):
    Category.objects.create(name="Last so far", position=2)
    assert staff_client.get(f"{CATEGORIES}add/").context["adminform"].form.initial["position"] == 3
    data = {"name": "New shelf", "position": "3", "margin_bp": "40", "margin_fixed": ""}
    assert staff_client.post(f"{CATEGORIES}add/", data).status_code == 302
    row = Category.objects.get(name="New shelf")
    assert (row.position, row.margin_bp, row.margin_fixed) == (3, 4_000, None)


@pytest.mark.parametrize(
    ("action", "order"), [("arrange_by_price", ["Cheap", "Mid", "Dear"]), ("arrange_by_name", ["Cheap", "Dear", "Mid"])]
)
def test_category_when_its_services_are_arranged_then_their_positions_follow(staff_client, sold, action, order):
    of = sold.upstream.provider
    Service.objects.filter(pk=sold.pk).update(name="Mid", position=9)
    make.service(of, external_id="2", rate="1", name="Cheap")
    make.service(of, external_id="3", rate="3", name="Dear")
    elsewhere = make.service(of, external_id="4", name="Elsewhere")
    Service.objects.filter(pk=elsewhere.pk).update(category=Category.objects.create(name="Other"), position=5)
    shelf = sold.category_id
    staff_client.post(CATEGORIES, {"action": action, "_selected_action": [shelf]})
    found = Service.objects.filter(category=shelf).order_by("position")
    assert list(found.values_list("name", flat=True)) == order
    assert list(found.values_list("position", flat=True)) == [1, 2, 3]
    elsewhere.refresh_from_db()
    assert elsewhere.position == 5
    assert "Arranged its services" in LogEntry.objects.get().change_message


def test_category_when_services_are_in_it_then_it_stays_and_says_why(staff_client, sold):
    address = f"{CATEGORIES}{sold.category_id}/delete/"
    before = everything()
    for answer in (staff_client.get(address, follow=True), staff_client.post(address, {"post": "yes"}, follow=True)):
        assert "1 service is in “Social”. Nothing was deleted" in text_of(answer)
    staff_client.post(CATEGORIES, {"action": "delete_selected", "_selected_action": [sold.category_id], "post": "yes"})
    assert everything() == before


def test_category_when_empty_then_it_can_be_deleted(staff_client, db):
    row = Category.objects.create(name="Empty")
    staff_client.post(f"{CATEGORIES}{row.pk}/delete/", {"post": "yes"})
    assert not Category.objects.exists()


def test_category_when_the_user_may_only_look_then_nothing_changes(sold):
    client = helper_with("view_category")
    shelf = sold.category_id
    before = everything()
    data = {"name": "x", "position": "1", "margin_bp": "90", "margin_fixed": ""}
    assert client.post(f"{CATEGORIES}{shelf}/change/", data).status_code == 403
    assert client.post(f"{CATEGORIES}{shelf}/delete/", {"post": "yes"}).status_code == 403
    assert client.post(f"{CATEGORIES}add/", data).status_code == 403
    client.post(CATEGORIES, {"action": "arrange_by_price", "_selected_action": [shelf]})
    assert everything() == before
    assert not PriceChange.objects.exists()
