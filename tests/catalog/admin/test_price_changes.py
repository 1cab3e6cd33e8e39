"""Admin of price changes: preview, apply, history, undo.

By default a service costs $2.00 and sells for $2.50, with the panel's 25%.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from catalog.admin.shared import LABELS
from catalog.models import Category, PriceChange, PricePolicy, Provider, Service, UpstreamService
from catalog.prices.changes import draft_change
from catalog.prices.edits import COLUMNS, Edit
from catalog.prices.storage import price_policy
from tests import make
from tests.scenes import statements

pytestmark = pytest.mark.django_db

PANEL = "/admin/catalog/pricepolicy/1/change/"
HISTORY = "/admin/catalog/pricechange/"


@pytest.fixture
def idle_provider(db):
    """A provider without a server."""
    price_policy()
    return make.provider()


@pytest.fixture
def sold_service(idle_provider):
    """A service on sale that costs $2.00 and sells for $2.50."""
    return make.service(idle_provider)


def client_with(*codenames: str) -> Client:
    user = make.customer("helper@example.org")
    user.is_staff = True
    user.save()
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


def panel_form(**values: str) -> dict[str, str]:
    return {"margin_bp": "25", "margin_fixed": "0", "minimum_margin_bp": "0", "price_step": "0.0001", **values}


def preview_of(*edits: Edit, actor: Any = None, summary: str = "A change") -> str:
    """Draft the edits and return the URL of the preview."""
    change = draft_change(edits=edits, source=PriceChange.Source.LIST, summary=summary, actor=actor)
    return f"{HISTORY}{change.pk}/preview/"


def seen_on(page: Any) -> str:
    return re.search(r'name="seen" value="(\w+)"', page.content.decode())[1]


def catalog_state() -> list[Any]:
    models = (PricePolicy, Provider, Category, Service)
    return [
        *(list(model._default_manager.order_by("pk").values()) for model in models),
        PriceChange.objects.filter(state="applied").count(),
        LogEntry.objects.count(),
    ]


# -- preview -----------------------------------------------------------------------------------------


def test_panel_margin_when_saved_then_previewed_and_then_applied(staff_client, staff, idle_provider, sold_service):
    before = catalog_state()
    answer = staff_client.post(PANEL, panel_form(margin_bp="50"))
    assert answer.status_code == 302
    assert answer.url.startswith(HISTORY)
    assert catalog_state()[:-1] == before[:-1]
    page = staff_client.get(answer.url)
    text = page.content.decode()
    assert "Panel margin: margin 25% → 50%" in text
    assert "$2.50 → $3.00" in text
    assert "25% → 50%" in text
    assert "Apply: change 1 price" in text
    assert catalog_state()[:-1] == before[:-1]
    done = staff_client.post(answer.url, {"seen": seen_on(page), "next": PANEL}, follow=True)
    assert done.redirect_chain == [(PANEL, 302)]
    assert "1 price changed: 1 raised." in done.content.decode()
    sold_service.refresh_from_db()
    assert sold_service.price == 3_000_000
    row = PriceChange.objects.get()
    assert (row.state, row.actor, row.source) == ("applied", staff, "panel")
    assert "Applied. 1 price changed" in LogEntry.objects.get().change_message


def test_panel_margin_when_no_price_changes_then_applied_at_once(staff_client, idle_provider):
    answer = staff_client.post(PANEL, panel_form(margin_bp="50"), follow=True)
    assert "No list price changes by that" in answer.content.decode()
    assert PricePolicy.objects.get().margin_bp == 5_000
    assert PriceChange.objects.get().state == "applied"


def test_panel_margin_when_form_is_unchanged_then_no_draft(staff_client, idle_provider, sold_service):
    assert staff_client.post(PANEL, panel_form()).status_code == 302
    assert not PriceChange.objects.exists()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"margin_bp": "-1"}, "negative"),
        ({"margin_bp": ""}, "required"),
        ({"price_step": "0"}, "above zero"),
        ({"price_step": "1001"}, "at most 1,000"),
        ({"minimum_margin_bp": "x"}, "Enter a number"),
    ],
)
def test_panel_margin_when_invalid_then_error_at_the_field(staff_client, idle_provider, sold_service, values, words):
    before = catalog_state()
    assert words in staff_client.post(PANEL, panel_form(**values)).content.decode()
    assert catalog_state() == before
    assert not PriceChange.objects.exists()


def test_preview_when_rates_changed_then_shown_again_not_applied(staff_client, idle_provider, sold_service):
    address = preview_of(Edit("panel", (1,), {"margin_bp": 5_000}))
    seen = seen_on(staff_client.get(address))
    UpstreamService.objects.update(rate=3_000_000)
    before = catalog_state()
    page = staff_client.post(address, {"seen": seen})
    assert page.status_code == 200
    assert "Nothing was applied; look at it again" in page.content.decode()
    assert "$2.50 → $4.50" in page.content.decode()
    assert catalog_state() == before
    assert staff_client.post(address, {"seen": seen_on(page)}).status_code == 302
    sold_service.refresh_from_db()
    assert sold_service.price == 4_500_000


@pytest.mark.parametrize("seen", [{}, {"seen": ""}, {"seen": "0" * 24}])
def test_preview_when_sent_without_fingerprint_then_not_applied(staff_client, idle_provider, sold_service, seen):
    address = preview_of(Edit("panel", (1,), {"margin_bp": 5_000}))
    before = catalog_state()
    assert "Nothing was applied" in staff_client.post(address, seen).content.decode()
    assert catalog_state() == before


def test_preview_when_applied_twice_then_message_and_applied_once(staff_client, idle_provider, sold_service):
    address = preview_of(Edit("panel", (1,), {"margin_bp": 5_000}))
    seen = {"seen": seen_on(staff_client.get(address))}
    staff_client.post(address, seen)
    before = catalog_state()
    for again in (staff_client.post(address, seen, follow=True), staff_client.get(address, follow=True)):
        assert "applied already" in again.content.decode()
        assert again.redirect_chain[-1][0] == f"{HISTORY}{PriceChange.objects.get().pk}/change/"
    assert catalog_state() == before


@pytest.mark.parametrize("where", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "\\\\evil"])
def test_preview_when_next_is_another_site_then_stays_on_this_one(staff_client, idle_provider, sold_service, where):
    address = preview_of(Edit("panel", (1,), {"margin_bp": 5_000}))
    page = staff_client.get(address, {"next": where})
    assert "evil" not in page.content.decode()
    assert "javascript:alert" not in page.content.decode()
    answer = staff_client.post(address, {"seen": seen_on(page), "next": where})
    assert answer.url == f"{HISTORY}{PriceChange.objects.get().pk}/change/"


@pytest.mark.parametrize(
    ("kind", "permissions"),
    [
        ("panel", ("view_pricechange", "change_pricepolicy")),  # may not change prices at all
        ("panel", ("view_pricechange", "change_pricechange")),  # may not change this target
        ("provider", ("change_pricechange", "change_pricepolicy", "change_service")),
    ],
)
def test_preview_when_user_lacks_permission_then_forbidden(idle_provider, sold_service, kind, permissions):
    pk = {"panel": 1, "provider": idle_provider.pk}[kind]
    address = preview_of(Edit(kind, (pk,), {"margin_bp": 5_000}))
    client = client_with(*permissions)
    before = catalog_state()
    assert client.get(address).status_code == 403
    assert client.post(address, {"seen": "x"}).status_code == 403
    assert catalog_state() == before


def test_preview_when_user_has_permission_then_opens(idle_provider, sold_service):
    client = client_with("change_pricechange", "change_pricepolicy")
    assert client.get(preview_of(Edit("panel", (1,), {"margin_bp": 5_000}))).status_code == 200


def test_preview_when_no_profit_or_no_valid_price_then_warning(staff_client, idle_provider, sold_service):
    make.service(idle_provider, external_id="2", rate="900000")
    text = staff_client.get(preview_of(Edit("panel", (1,), {"margin_bp": 0}))).content.decode()
    assert "2 would earn nothing: sold for what they cost" in text
    assert "earns nothing" in text
    text = staff_client.get(
        preview_of(Edit("provider", (idle_provider.pk,), {"exchange_rate": 10**18}))
    ).content.decode()
    assert "1 would have no valid price any more, and goes off sale" in text
    assert "no valid price</span>" in text
    assert "1 would be sold at a loss if the old price stayed" in text


def test_preview_when_names_are_hostile_then_escaped(staff_client, idle_provider):
    service = make.service(idle_provider, name="<script>alert(1)</script>" + "x" * 400)
    Provider.objects.update(name="<b>bold</b>")
    address = preview_of(Edit("service", (service.pk,), {"margin_bp": 0}), summary="<i>It</i>")
    page = staff_client.get(address)
    assert staff_client.post(address, {"seen": seen_on(page)}).status_code == 302
    for answer in (
        page,
        staff_client.get(HISTORY),
        staff_client.get(f"{HISTORY}{PriceChange.objects.get().pk}/change/"),
    ):
        text = answer.content.decode()
        for raw in ("<script>alert", "<b>bold", "<i>It"):
            assert raw not in text


@pytest.mark.parametrize("count", [3, 60])
def test_preview_when_many_services_then_query_count_is_limited(staff_client, idle_provider, count):
    for number in range(count):
        make.service(idle_provider, external_id=str(number))
    address = preview_of(Edit("panel", (1,), {"margin_bp": 5_000}))
    staff_client.get(address)
    with statements() as found:
        staff_client.get(address)
    assert len(found) <= 20, found


# -- edited and unedited columns ---------------------------------------------------------------------


def shown_form(client: Client, address: str) -> dict[str, str]:
    """Return what a browser would send of an unchanged form."""
    form = client.get(address).context["adminform"].form
    data = {}
    for field in form:
        value = field.value()
        if value is not None and value is not False:
            data[field.html_name] = str(value)
        data[field.html_initial_name] = "" if value is None else str(value)
    return data


def test_form_when_outdated_then_values_of_others_are_kept(staff_client, idle_provider, sold_service):
    data = shown_form(staff_client, PANEL)
    PricePolicy.objects.update(minimum_margin_bp=1_000)
    staff_client.post(PANEL, {**data, "margin_bp": "50"})
    [edit] = PriceChange.objects.get().edits
    assert edit["values"] == {"margin_bp": 5_000}


def test_form_when_name_and_margin_change_then_only_name_is_saved(staff_client, idle_provider, sold_service):
    address = reverse("admin:catalog_category_change", args=[sold_service.category_id])
    data = shown_form(staff_client, address)
    Category.objects.update(position=7)  # another person's change, meanwhile
    answer = staff_client.post(address, {**data, "name": "Renamed", "margin_bp": "50"})
    assert answer.url.startswith(HISTORY)
    row = Category.objects.get()
    assert (row.name, row.position, row.margin_bp) == ("Renamed", 7, None)
    text = staff_client.get(answer.url).content.decode()
    assert "Renamed: margin inherited → 50%" in text
    messages = LogEntry.objects.get(object_id=str(row.pk)).get_change_message()
    assert "Name" in messages
    assert "Margin" not in messages


def test_form_when_continued_then_preview_leads_back_to_it(staff_client, idle_provider, sold_service):
    address = reverse("admin:catalog_category_change", args=[sold_service.category_id])
    data = {"name": "Social", "position": "0", "margin_bp": "50", "margin_fixed": "", "_continue": "1"}
    answer = staff_client.post(address, data)
    page = staff_client.get(answer.url)
    done = staff_client.post(answer.url, {"seen": seen_on(page), "next": page.context["next"]})
    assert done.url == address
    assert Category.objects.get().margin_bp == 5_000


# -- the history -------------------------------------------------------------------------------------


def applied(client: Client, *edits: Edit, summary: str = "A change") -> PriceChange:
    address = preview_of(*edits, summary=summary)
    client.post(address, {"seen": seen_on(client.get(address)), "confirm": "yes"})
    return PriceChange.objects.get(summary=summary, state="applied")


def test_history_when_applied_then_shows_actor_old_and_new_values(staff_client, idle_provider, sold_service):
    category = Category.objects.create(name="Other shelf")
    change = applied(
        staff_client,
        Edit("panel", (1,), {"margin_bp": 5_000, "price_step": 1_000}),
        Edit("provider", (idle_provider.pk,), {"exchange_rate": 500_000_000_000}),
        Edit(
            "service",
            (sold_service.pk,),
            {"category_id": category.pk, "allow_below_minimum": True, "margin_fixed": 250_000},
        ),
    )
    text = staff_client.get(HISTORY).content.decode()
    assert "A change" in text
    assert "owner@example.org" in text
    page = re.sub(r"<[^>]+>", "", staff_client.get(f"{HISTORY}{change.pk}/change/").content.decode())
    for words in (
        "Panel margin: margin 25% → 50%",
        "Panel margin: price step $0.0001 → $0.001",
        "Upstream: exchange rate 1 → 0.5",
        "Followers: category Social → Other shelf",
        "Followers: may be sold below the minimum margin no → yes",
        "Followers: fixed margin inherited → $0.25",
    ):
        assert words in page


def test_history_when_change_is_large_then_page_shows_first_settings(staff_client, idle_provider):
    made = [make.service(idle_provider, external_id=str(number)) for number in range(120)]
    change = applied(staff_client, Edit("service", tuple(one.pk for one in made), {"margin_bp": 5_000}))
    address = f"{HISTORY}{change.pk}/change/"
    with statements() as found:
        text = staff_client.get(address).content.decode()
    assert text.count("margin inherited → 50%") == 100
    assert "And 20 more" in text
    assert len(found) <= 20, found


def test_history_when_shown_then_no_drafts_and_read_only(staff_client, idle_provider, sold_service):
    draft = preview_of(Edit("panel", (1,), {"margin_bp": 9_000}), summary="Only a draft")
    change = applied(staff_client, Edit("panel", (1,), {"margin_bp": 5_000}))
    assert "Only a draft" not in staff_client.get(HISTORY).content.decode()
    before = catalog_state()
    draft_pk = re.search(r"/(\d+)/preview", draft)[1]
    assert staff_client.get(f"{HISTORY}{draft_pk}/change/").status_code == 302
    assert staff_client.post(f"{HISTORY}{change.pk}/change/", {"summary": "x"}).status_code == 403
    assert staff_client.post(f"{HISTORY}{change.pk}/delete/", {"post": "yes"}).status_code == 403
    assert staff_client.get(f"{HISTORY}add/").status_code == 403
    assert catalog_state() == before


@pytest.mark.parametrize("count", [2, 20])
def test_history_when_changes_are_many_then_statements_stay_the_same(staff_client, idle_provider, sold_service, count):
    for number in range(count):
        applied(staff_client, Edit("panel", (1,), {"margin_bp": 1_000 + number}), summary=f"Number {number}")
    with statements() as found:
        staff_client.get(HISTORY)
    assert len(found) <= 16, found


# -- undo --------------------------------------------------------------------------------------------


def test_undo_when_confirmed_then_previewed_and_applied(staff_client, idle_provider, sold_service):
    change = applied(staff_client, Edit("panel", (1,), {"margin_bp": 5_000}))
    address = f"{HISTORY}{change.pk}/undo/"
    assert address in staff_client.get(f"{HISTORY}{change.pk}/change/").content.decode()
    before = catalog_state()
    assert "Sets back what this change set" in staff_client.get(address).content.decode()
    assert PriceChange.objects.count() == 1
    answer = staff_client.post(address)
    assert catalog_state() == before
    page = staff_client.get(answer.url)
    assert "$3.00 → $2.50" in page.content.decode()
    staff_client.post(answer.url, {"seen": seen_on(page)})
    sold_service.refresh_from_db()
    assert (sold_service.price, PricePolicy.objects.get().margin_bp) == (2_500_000, 2_500)
    assert "undone" in staff_client.get(f"{HISTORY}{change.pk}/change/").content.decode()
    # A second undo is refused.
    before = catalog_state()
    assert staff_client.post(address).status_code == 403
    assert catalog_state() == before


def test_undo_when_two_people_drafted_it_then_second_is_refused(staff_client, idle_provider, sold_service):
    change = applied(staff_client, Edit("panel", (1,), {"margin_bp": 5_000}))
    drafts = [staff_client.post(f"{HISTORY}{change.pk}/undo/").url for _ in range(2)]
    staff_client.post(drafts[0], {"seen": seen_on(staff_client.get(drafts[0]))})
    # Changed again, so that the second draft would have an effect.
    applied(staff_client, Edit("panel", (1,), {"margin_bp": 5_000}), summary="Again")
    page = staff_client.get(drafts[1])
    before = catalog_state()
    answer = staff_client.post(drafts[1], {"seen": seen_on(page)}, follow=True)
    assert "undone already" in answer.content.decode()
    assert catalog_state() == before


def test_undo_when_user_lacks_permission_then_forbidden(staff_client, idle_provider, sold_service):
    change = applied(staff_client, Edit("panel", (1,), {"margin_bp": 5_000}))
    client = client_with("view_pricechange", "change_pricepolicy")
    before = catalog_state()
    for answer in (client.get(f"{HISTORY}{change.pk}/undo/"), client.post(f"{HISTORY}{change.pk}/undo/")):
        assert answer.status_code == 403
    assert PriceChange.objects.count() == 1
    assert catalog_state() == before


@pytest.mark.once
def test_labels_when_a_column_may_be_set_then_it_has_one():
    """Seen: the page of an applied change of links failed for want of a label."""
    assert set(LABELS) >= {column for columns in COLUMNS.values() for column in columns}
