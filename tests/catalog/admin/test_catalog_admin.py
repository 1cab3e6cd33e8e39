"""Admin of the catalog: imports, the inbox, and categories."""

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
from catalog.imports.run import import_services
from catalog.models import CatalogChange, Category, PriceChange, Provider, Service, SyncRun, UpstreamService
from catalog.prices.storage import price_policy
from panel.alerts.causes import Cause
from panel.alerts.models import Alert
from panel.alerts.services import raise_alert
from tests import make
from tests.admin_calls import answer_question
from tests.scenes import at_once, statements

pytestmark = [pytest.mark.django_db, pytest.mark.once]

IMPORTS = "/admin/catalog/syncrun/"
INBOX = "/admin/catalog/catalogchange/"
CATEGORIES = "/admin/catalog/category/"
HOSTILE = "<script>alert(1)</script>" + "x" * 400


def client_with(*codenames: str) -> Client:
    user = make.customer("helper@example.org")
    user.is_staff = True
    user.save()
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


def catalog_state() -> list[Any]:
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
    """Return a refused run: the provider lists only 20 of its 60 services."""
    import_services(provider=provider)
    for number in range(1, 41):
        upstream.set_service(number, listed=False)
    run = import_services(provider=provider)
    assert run.outcome == "refused"
    return run


def test_steps_when_run_is_open_then_show_its_progress():
    assert [one.state for one in steps_of(SyncRun(phase="waiting"))] == ["now", "ahead", "ahead", "ahead"]
    assert [one.state for one in steps_of(SyncRun(phase="comparing"))] == ["done", "done", "now", "ahead"]
    assert [one.state for one in steps_of(SyncRun(phase="done"))] == ["done"] * 4


def test_import_when_running_then_page_polls_until_it_ends(staff_client, provider):
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


def test_import_when_applied_then_page_shows_result_without_buttons(staff_client, upstream, provider):
    run = import_services(provider=provider)
    text = text_of(staff_client.get(page_of(run)))
    assert "Applied" in text
    assert "60" in text
    assert f"{IMPORTS}{run.pk}/again/" not in text
    before = catalog_state()
    for data in ({}, {"accept": "1"}):
        answer = staff_client.post(f"{IMPORTS}{run.pk}/again/", data, follow=True)
        assert "Nothing was changed" in text_of(answer)
    assert catalog_state() == before


def test_import_when_refused_then_can_be_reviewed_and_applied(staff_client, staff, upstream, provider):
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
    # A newer list was applied: nothing is left to accept.
    text = text_of(staff_client.get(page_of(run)))
    assert "Apply anyway" not in text
    assert "A newer list was applied since" in text
    before = catalog_state()
    answer = staff_client.post(f"{IMPORTS}{run.pk}/again/", {"accept": "1"}, follow=True)
    assert "Nothing was changed" in text_of(answer)
    assert catalog_state() == before


def test_import_when_refused_for_rate_and_currency_then_both_shown(staff_client, provider):
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


def test_import_when_list_was_empty_then_cannot_be_applied(staff_client, upstream, provider):
    import_services(provider=provider)
    for number in range(1, 61):
        upstream.set_service(number, listed=False)
    run = import_services(provider=provider)
    text = text_of(staff_client.get(page_of(run)))
    assert "The list is empty" in text
    assert "Apply anyway" not in text
    assert "Ask for the list again" in text
    before = catalog_state()
    staff_client.post(f"{IMPORTS}{run.pk}/again/", {"accept": "1"})
    assert catalog_state() == before


def test_import_when_failed_then_can_be_requested_again(staff_client, upstream, provider):
    upstream.close()
    run = import_services(provider=provider)
    assert "Ask for the list again" in text_of(staff_client.get(page_of(run)))
    for _ in range(2):
        staff_client.post(f"{IMPORTS}{run.pk}/again/")
    queued = SyncRun.objects.get(outcome="queued")
    assert queued.accepts is None


def test_import_when_rows_were_skipped_then_shown_with_reasons(staff_client, provider):
    run = SyncRun.objects.create(
        provider=provider, outcome="applied", phase="done", skipped=[[3, "7", HOSTILE]], skipped_count=250
    )
    text = text_of(staff_client.get(page_of(run)))
    assert "And 249 more" in text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


def test_import_when_view_only_then_no_buttons_and_posts_forbidden(upstream, provider):
    run = refused(upstream, provider)
    client = client_with("view_syncrun")
    text = text_of(client.get(page_of(run)))
    assert "Apply anyway" not in text
    assert "Ask for the list again" not in text
    before = catalog_state()
    for data in ({}, {"accept": "1"}):
        assert client.post(f"{IMPORTS}{run.pk}/again/", data).status_code == 403
    assert catalog_state() == before


def test_import_when_user_may_not_view_then_forbidden(provider):
    run = SyncRun.objects.create(provider=provider)
    client = client_with("view_provider")
    for address in (IMPORTS, page_of(run), f"{IMPORTS}{run.pk}/progress/"):
        assert client.get(address).status_code == 403


def test_import_when_requested_by_get_then_nothing_is_queued(staff_client, upstream, provider):
    run = refused(upstream, provider)
    before = catalog_state()
    assert staff_client.get(f"{IMPORTS}{run.pk}/again/").status_code == 405
    assert catalog_state() == before


@pytest.mark.parametrize("count", [2, 40])
def test_imports_when_many_then_statements_stay_the_same(staff_client, staff, provider, count):
    for _ in range(count):
        SyncRun.objects.create(provider=provider, outcome="failed", actor=staff, reason=HOSTILE)
    with statements() as found:
        text = text_of(staff_client.get(IMPORTS))
    assert "<script>alert" not in text
    assert len(found) <= 14, found


# -- the inbox ---------------------------------------------------------------------------------------


def changed(service: Service | None = None, *, kind: str = "rate_up", **values: Any) -> CatalogChange:
    """Create an open change, by default of a service whose rate rose from $2.00 to $3.00."""
    upstream = service.upstream if service else UpstreamService.objects.get()
    topic = {"rate_up": "rate", "rate_down": "rate", "canceled": "orders"}
    topic |= dict.fromkeys(("new", "gone", "returned"), "listing")
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
    """Open the inbox, select the changes and run the action, as a person does."""
    seen = re.search(r'name="seen_until" value="([^"]*)"', text_of(client.get(INBOX)))[1]
    chosen = [one.pk for one in changes]
    return client.post(INBOX, {"action": action, "_selected_action": chosen, "seen_until": seen, **data}, follow=True)


@pytest.fixture
def sold_service(db):
    """A service on sale for $2.50, of a provider without a server."""
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
        ("canceled", {}, {"canceled": 18, "ended": 20}, ["The provider canceled 18 of the last 20 orders that ended."]),
    ],
)
def test_changed_words_when_change_is_shown_then_old_and_new_values(sold_service, kind, old, new, words):
    change = changed(sold_service, kind=kind, old=old, new=new)
    expected = words or ["refill yes → no", "type “default” → “package”"]
    assert list(changed_words(change)) == expected


def test_inbox_when_shown_then_urgent_rows_first_with_service_links(staff_client, sold_service):
    other = make.service(sold_service.upstream.provider, external_id="2", name="Likes")
    now = timezone.now()
    changed(sold_service, is_urgent=True, action="repriced", changed_at=now - timedelta(hours=5))
    changed(other, kind="limits", old={"max_quantity": 5}, new={"max_quantity": 6}, changed_at=now)
    text = text_of(staff_client.get(INBOX))
    assert text.index("Urgent") < text.index("at most 5 → 6")
    assert reverse("admin:catalog_service_change", args=[sold_service.pk]) in text
    assert "rate $2.00 → $3.00 (+50%)" in text
    assert "price $2.50 → $3.75" in text
    assert "Re-priced" in text


def test_inbox_when_service_went_off_sale_then_it_says_why(staff_client, sold_service):
    other = make.service(sold_service.upstream.provider, external_id="2", name="Likes")
    changed(sold_service, is_urgent=True, action="off_sale", rose_too_far=True)
    canceled = {"canceled": 18, "ended": 20}
    changed(other, kind="canceled", old={}, new=canceled, is_urgent=True, action="off_sale")
    text = text_of(staff_client.get(INBOX))
    assert "The rate rose by more than the limit in the settings." in text
    assert "The provider canceled 18 of the last 20 orders that ended." in text
    assert "minimum margin" not in text
    overview = text_of(staff_client.get(reverse("admin:index")))
    assert re.search(r">1</span> rate rose too far<", overview)
    assert re.search(r">1</span> service went off sale, as its orders were canceled<", overview)


def test_inbox_when_empty_then_says_so(staff_client, sold_service):
    assert "All is seen" in text_of(staff_client.get(INBOX))
    changed(sold_service)
    assert "All is seen" not in text_of(staff_client.get(INBOX))
    assert "Nothing matches" in text_of(staff_client.get(INBOX, {"q": "no such thing"}))


def test_inbox_when_filtered_and_searched_then_only_matching_rows(staff_client, sold_service):
    other = make.service(make.provider(name="Elsewhere"), external_id="77", name="Likes")
    changed(sold_service, is_urgent=True)
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


def test_inbox_when_bulk_accepted_then_closed_and_actor_is_logged(staff_client, staff, sold_service):
    raise_alert(cause=Cause.RATE_RISES, about=sold_service.upstream.provider_id, text="One rate rose.")
    first, second = changed(sold_service, is_urgent=True), changed(sold_service, kind="limits")
    third = changed(sold_service, kind="text")
    answer = accept(staff_client, first, second)
    assert "2 accepted." in text_of(answer)
    assert set(CatalogChange.objects.filter(accepted_by=staff).values_list("pk", flat=True)) == {first.pk, second.pk}
    third.refresh_from_db()
    assert third.accepted_at is None
    assert not Alert.objects.filter(resolved_at=None).exists()
    assert "2 accepted." in LogEntry.objects.get().change_message


def test_inbox_when_all_are_selected_then_newer_changes_stay_open(staff_client, sold_service):
    first = changed(sold_service)
    others = [
        changed(make.service(sold_service.upstream.provider, external_id=str(n)), kind="limits") for n in range(2, 60)
    ]
    seen = re.search(r'name="seen_until" value="([^"]*)"', text_of(staff_client.get(INBOX)))[1]
    late = changed(sold_service, kind="text")
    CatalogChange.objects.filter(pk=first.pk).update(changed_at=timezone.now(), new={"rate": 9_000_000})
    data = {"action": "accept_selected", "_selected_action": [others[0].pk], "select_across": "1", "seen_until": seen}
    answer = answer_question(staff_client, INBOX, data, follow=True)
    assert "58 accepted." in text_of(answer)
    assert "2 left alone: changed since you opened the page, so they still wait." in text_of(answer)
    assert set(CatalogChange.objects.filter(accepted_at=None).values_list("pk", flat=True)) == {first.pk, late.pk}


@pytest.mark.parametrize("seen", ["", "x", "2026-01-01", "2026-13-45T00:00:00+00:00", "2026-01-01T00:00:00"])
def test_inbox_when_sent_without_time_shown_then_nothing_is_accepted(staff_client, sold_service, seen):
    change = changed(sold_service)
    before = catalog_state()
    answer = accept(staff_client, change, seen_until=seen)
    assert "Nothing was accepted" in text_of(answer)
    assert catalog_state() == before


def test_inbox_when_accepted_for_sale_then_on_sale_with_history(staff_client, staff, sold_service):
    gone = make.service(sold_service.upstream.provider, external_id="2")
    Service.objects.update(is_on_sale=False)
    UpstreamService.objects.filter(pk=gone.upstream_id).update(is_listed=False)
    rows = [changed(sold_service, action="off_sale"), changed(gone, kind="gone", new={"is_listed": False})]
    answer = accept(staff_client, *rows, action="accept_selected_on_sale")
    assert "2 accepted. 1 put on sale. 1 could not be" in text_of(answer)
    assert dict(Service.objects.values_list("pk", "is_on_sale")) == {sold_service.pk: True, gone.pk: False}
    assert PriceChange.objects.get(state="applied").actor == staff


@pytest.mark.parametrize(("name", "on_sale"), [("accept", False), ("accept_on_sale", True)])
def test_inbox_when_one_is_accepted_then_back_to_the_filtered_list(staff_client, sold_service, name, on_sale):
    Service.objects.update(is_on_sale=False)
    change = changed(sold_service)
    here = f"{INBOX}?kind__exact=rate_up"
    text = text_of(staff_client.get(here))
    address = f"{INBOX}{change.pk}/{name}/"
    assert f'formaction="{address}"' in text
    answer = staff_client.post(address, {"seen": inbox_state_of(change), "next": here})
    assert answer.url == here
    change.refresh_from_db()
    assert change.accepted_at is not None
    assert Service.objects.get().is_on_sale is on_sale
    # A second time there is a message and no change.
    before = catalog_state()
    assert "accepted already" in text_of(staff_client.post(address, {"seen": inbox_state_of(change)}, follow=True))
    assert catalog_state() == before


def test_inbox_when_one_changed_after_it_was_shown_then_stays_open(staff_client, sold_service):
    change = changed(sold_service)
    CatalogChange.objects.update(changed_at=timezone.now(), new={"rate": 9_000_000})
    before = catalog_state()
    answer = staff_client.post(f"{INBOX}{change.pk}/accept/", {"seen": inbox_state_of(change)}, follow=True)
    assert "It changed since you opened this page" in text_of(answer)
    assert catalog_state() == before


def test_inbox_when_button_is_opened_by_get_then_confirmation(staff_client, sold_service):
    change = changed(sold_service)
    before = catalog_state()
    for name in ("accept", "accept_on_sale"):
        assert "rate $2.00 → $3.00" in text_of(staff_client.get(f"{INBOX}{change.pk}/{name}/"))
    assert catalog_state() == before


def test_inbox_when_user_may_only_view_then_cannot_accept(sold_service):
    change = changed(sold_service)
    Service.objects.update(is_on_sale=False)
    before = catalog_state()
    client = client_with("view_catalogchange")
    assert client.get(f"{INBOX}{change.pk}/change/").status_code == 200
    assert client.post(f"{INBOX}{change.pk}/accept/", {"seen": inbox_state_of(change)}).status_code == 403
    accept(client, change)
    assert catalog_state() == before


def test_inbox_when_user_cannot_edit_services_then_not_put_on_sale(sold_service):
    change = changed(sold_service)
    Service.objects.update(is_on_sale=False)
    before = catalog_state()
    client = client_with("view_catalogchange", "change_catalogchange")
    assert client.post(f"{INBOX}{change.pk}/accept_on_sale/", {"seen": inbox_state_of(change)}).status_code == 403
    accept(client, change, action="accept_selected_on_sale")
    assert catalog_state() == before
    accept(client, change)
    assert CatalogChange.objects.filter(accepted_at=None).count() == 0


def test_inbox_when_texts_are_hostile_then_escaped(staff_client, sold_service):
    Service.objects.update(name=HOSTILE)
    UpstreamService.objects.update(name=HOSTILE, external_id="<i>1</i>")
    Provider.objects.update(name="<b>bold</b>")
    change = changed(sold_service, kind="text", old={"name": "x"}, new={"name": HOSTILE, "<u>": HOSTILE})
    for address in (INBOX, f"{INBOX}{change.pk}/change/", f"{INBOX}{change.pk}/accept/"):
        text = text_of(staff_client.get(address))
        for raw in ("<script>alert", "<b>bold", "<i>1", "<u>"):
            assert raw not in text


@pytest.mark.parametrize("count", [2, 45])
def test_inbox_when_rows_are_many_then_statements_stay_the_same(staff_client, sold_service, count):
    for number in range(count):
        changed(make.service(sold_service.upstream.provider, external_id=f"s{number}"), kind="limits")
    with statements() as found:
        assert staff_client.get(INBOX).context["cl"].result_count == count
    assert len(found) <= 17, found


@pytest.mark.django_db(transaction=True)
def test_inbox_when_accepted_twice_at_once_then_accepted_once(sold_service, staff):
    change = changed(sold_service)
    clients = [Client(), Client()]
    for client in clients:
        client.force_login(staff)

    def send(place: int) -> Any:
        return clients[place].post(f"{INBOX}{change.pk}/accept/", {"seen": inbox_state_of(change)}).status_code

    assert at_once(2, send) == [302, 302]
    assert LogEntry.objects.count() == 1


def test_overview_when_rates_pass_minimum_then_shown_if_permitted(staff_client, sold_service):
    changed(sold_service, is_urgent=True)
    changed(sold_service, kind="limits")
    text = text_of(staff_client.get(reverse("admin:index")))
    assert re.search(r'href="/admin/catalog/catalogchange/"><span[^>]*>1</span> rate rose too far<', text)
    assert "rose too far" not in text_of(client_with("view_order").get(reverse("admin:index")))


# -- categories --------------------------------------------------------------------------------------


def test_categories_when_listed_then_margins_and_service_counts(staff_client, sold_service):
    Category.objects.update(margin_bp=2_550, margin_fixed=100_000)
    off = make.service(sold_service.upstream.provider, external_id="2")
    Service.objects.filter(pk=off.pk).update(is_on_sale=False)
    [row] = staff_client.get(CATEGORIES).context["cl"].result_list
    assert (row.service_count, row.on_sale_count) == (2, 1)
    assert "25.5% + $0.10" in text_of(staff_client.get(CATEGORIES))


def test_categories_when_sorted_by_services_then_each_once(staff_client, sold_service):
    make.service(sold_service.upstream.provider, external_id="2")
    empty = Category.objects.create(name="Empty")
    shown = staff_client.get(CATEGORIES, {"o": "3"}).context["cl"].result_list
    assert [one.pk for one in shown] == [empty.pk, sold_service.category_id]


@pytest.mark.parametrize(("typed", "is_told"), [("3", False), ("5", True)])
def test_categories_when_another_moved_one_then_not_moved_back(staff_client, sold_service, typed, is_told):
    moved = Category.objects.create(name="Other", position=3)
    assert 'name="initial-form-1-position" value="3"' in staff_client.get(CATEGORIES).content.decode()
    sent: dict[str, Any] = {"form-TOTAL_FORMS": "2", "form-INITIAL_FORMS": "2", "_save": "Save"}
    for number, (row, position) in enumerate([(Category.objects.exclude(pk=moved.pk).get(), "0"), (moved, typed)]):
        sent |= {f"form-{number}-id": row.pk, f"form-{number}-position": position}
        sent[f"initial-form-{number}-position"] = row.position
    Category.objects.filter(pk=moved.pk).update(position=7)
    answer = staff_client.post(CATEGORIES, sent)
    assert ("It was moved to 7" in answer.content.decode()) is is_told
    assert Category.objects.get(pk=moved.pk).position == 7


@pytest.mark.parametrize("count", [2, 40])
def test_categories_when_many_then_statements_stay_the_same(staff_client, sold_service, count):
    for number in range(count):
        Category.objects.create(name=f"CategoryGroup {number}")
    with statements() as found:
        staff_client.get(CATEGORIES)
    assert len(found) <= 14, found


def test_categories_when_dragged_then_only_positions_are_saved(staff_client, sold_service):
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


def test_category_when_added_then_margin_is_saved_at_once(staff_client, db):
    Category.objects.create(name="Last so far", position=2)
    assert staff_client.get(f"{CATEGORIES}add/").context["adminform"].form.initial["position"] == 3
    data = {"name": "New shelf", "position": "3", "margin_bp": "40", "margin_fixed": ""}
    assert staff_client.post(f"{CATEGORIES}add/", data).status_code == 302
    row = Category.objects.get(name="New shelf")
    assert (row.position, row.margin_bp, row.margin_fixed) == (3, 4_000, None)


@pytest.mark.parametrize(
    ("action", "order"), [("arrange_by_price", ["Cheap", "Mid", "Dear"]), ("arrange_by_name", ["Cheap", "Dear", "Mid"])]
)
def test_category_when_services_arranged_then_positions_are_saved(staff_client, sold_service, action, order):
    provider = sold_service.upstream.provider
    Service.objects.filter(pk=sold_service.pk).update(name="Mid", position=9)
    make.service(provider, external_id="2", rate="1", name="Cheap")
    make.service(provider, external_id="3", rate="3", name="Dear")
    elsewhere = make.service(provider, external_id="4", name="Elsewhere")
    Service.objects.filter(pk=elsewhere.pk).update(category=Category.objects.create(name="Other"), position=5)
    category = sold_service.category_id
    answer_question(staff_client, CATEGORIES, {"action": action, "_selected_action": [category]})
    found = Service.objects.filter(category=category).order_by("position")
    assert list(found.values_list("name", flat=True)) == order
    assert list(found.values_list("position", flat=True)) == [1, 2, 3]
    elsewhere.refresh_from_db()
    assert elsewhere.position == 5
    assert "Arranged its services" in LogEntry.objects.get().change_message


def test_category_when_it_has_services_then_not_deleted_with_reason(staff_client, sold_service):
    address = f"{CATEGORIES}{sold_service.category_id}/delete/"
    before = catalog_state()
    for answer in (staff_client.get(address, follow=True), staff_client.post(address, {"post": "yes"}, follow=True)):
        assert "1 service is in “Social”. Nothing was deleted" in text_of(answer)
    staff_client.post(
        CATEGORIES, {"action": "delete_selected", "_selected_action": [sold_service.category_id], "post": "yes"}
    )
    assert catalog_state() == before


def test_category_when_empty_then_can_be_deleted(staff_client, db):
    row = Category.objects.create(name="Empty")
    staff_client.post(f"{CATEGORIES}{row.pk}/delete/", {"post": "yes"})
    assert not Category.objects.exists()


def test_category_when_user_may_only_view_then_nothing_changes(sold_service):
    client = client_with("view_category")
    category = sold_service.category_id
    before = catalog_state()
    data = {"name": "x", "position": "1", "margin_bp": "90", "margin_fixed": ""}
    assert client.post(f"{CATEGORIES}{category}/change/", data).status_code == 403
    assert client.post(f"{CATEGORIES}{category}/delete/", {"post": "yes"}).status_code == 403
    assert client.post(f"{CATEGORIES}add/", data).status_code == 403
    client.post(CATEGORIES, {"action": "arrange_by_price", "_selected_action": [category]})
    assert catalog_state() == before
    assert not PriceChange.objects.exists()
