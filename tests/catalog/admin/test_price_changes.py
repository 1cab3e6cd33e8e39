"""Staff change prices: shown first, applied as shown, told in the history, and taken back.

Unless told otherwise a service costs $2.00 at its provider and sells for $2.50, by the panel's 25%.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from catalog.models import Category, PriceChange, PricePolicy, Provider, Service, UpstreamService
from catalog.prices.changes import draft_change
from catalog.prices.edits import Edit
from catalog.prices.storage import price_policy
from tests import make
from tests.scenes import statements

pytestmark = pytest.mark.django_db

PANEL = "/admin/catalog/pricepolicy/1/change/"
HISTORY = "/admin/catalog/pricechange/"


@pytest.fixture
def of(db):
    """A provider that nobody talks to."""
    price_policy()
    return make.provider()


@pytest.fixture
def sold(of):
    """On sale: $2.00 at the provider, $2.50 here."""
    return make.service(of)


def helper_with(*codenames: str) -> Client:
    helper = make.customer("helper@example.org")
    helper.is_staff = True
    helper.save()
    helper.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(helper)
    return client


def panel_form(**values: str) -> dict[str, str]:
    return {"margin_bp": "25", "margin_fixed": "0", "minimum_margin_bp": "0", "price_step": "0.0001", **values}


def preview_of(*edits: Edit, actor: Any = None, summary: str = "A change") -> str:
    """The address of the page that shows a draft."""
    change = draft_change(edits=edits, source=PriceChange.Source.LIST, summary=summary, actor=actor)
    return f"{HISTORY}{change.pk}/preview/"


def seen_on(page: Any) -> str:
    return re.search(r'name="seen" value="(\w+)"', page.content.decode())[1]


def everything() -> list[Any]:
    models = (PricePolicy, Provider, Category, Service)
    return [
        *(list(model._default_manager.order_by("pk").values()) for model in models),
        PriceChange.objects.filter(state="applied").count(),
        LogEntry.objects.count(),
    ]


# -- the page before ---------------------------------------------------------------------------------


def test_panel_margin_when_saved_then_shown_first_and_applied_after(staff_client, staff, of, sold):
    before = everything()
    answer = staff_client.post(PANEL, panel_form(margin_bp="50"))
    assert answer.status_code == 302
    assert answer.url.startswith(HISTORY)
    assert everything()[:-1] == before[:-1]
    page = staff_client.get(answer.url)
    text = page.content.decode()
    assert "Panel margin: margin 25% → 50%" in text
    assert "$2.50 → $3.00" in text
    assert "25% → 50%" in text
    assert "Apply: change 1 price" in text
    assert everything()[:-1] == before[:-1]
    done = staff_client.post(answer.url, {"seen": seen_on(page), "next": PANEL}, follow=True)
    assert done.redirect_chain == [(PANEL, 302)]
    assert "1 price changed: 1 raised." in done.content.decode()
    sold.refresh_from_db()
    assert sold.price == 3_000_000
    row = PriceChange.objects.get()
    assert (row.state, row.actor, row.source) == ("applied", staff, "panel")
    assert "Applied. 1 price changed" in LogEntry.objects.get().change_message


def test_panel_margin_when_no_price_moves_by_it_then_applied_at_once(staff_client, of):
    answer = staff_client.post(PANEL, panel_form(margin_bp="50"), follow=True)
    assert "No list price changes by that" in answer.content.decode()
    assert PricePolicy.objects.get().margin_bp == 5_000
    assert PriceChange.objects.get().state == "applied"


def test_panel_margin_when_nothing_was_touched_then_nothing_is_drafted(staff_client, of, sold):
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
def test_panel_margin_when_it_is_no_margin_then_told_at_the_field(staff_client, of, sold, values, words):
    before = everything()
    assert words in staff_client.post(PANEL, panel_form(**values)).content.decode()
    assert everything() == before
    assert not PriceChange.objects.exists()


def test_preview_when_rates_moved_since_then_shown_again_and_nothing_applied(staff_client, of, sold):
    address = preview_of(Edit("panel", (1,), {"margin_bp": 5_000}))
    seen = seen_on(staff_client.get(address))
    UpstreamService.objects.update(rate=3_000_000)
    before = everything()
    page = staff_client.post(address, {"seen": seen})
    assert page.status_code == 200
    assert "Nothing was applied; look at it again" in page.content.decode()
    assert "$2.50 → $4.50" in page.content.decode()
    assert everything() == before
    assert staff_client.post(address, {"seen": seen_on(page)}).status_code == 302
    sold.refresh_from_db()
    assert sold.price == 4_500_000


@pytest.mark.parametrize("seen", [{}, {"seen": ""}, {"seen": "0" * 24}])
def test_preview_when_sent_without_what_it_showed_then_nothing_applied(staff_client, of, sold, seen):
    address = preview_of(Edit("panel", (1,), {"margin_bp": 5_000}))
    before = everything()
    assert "Nothing was applied" in staff_client.post(address, seen).content.decode()
    assert everything() == before


def test_preview_when_applied_twice_then_told_and_not_applied_twice(staff_client, of, sold):
    address = preview_of(Edit("panel", (1,), {"margin_bp": 5_000}))
    seen = {"seen": seen_on(staff_client.get(address))}
    staff_client.post(address, seen)
    before = everything()
    for again in (staff_client.post(address, seen, follow=True), staff_client.get(address, follow=True)):
        assert "applied already" in again.content.decode()
        assert again.redirect_chain[-1][0] == f"{HISTORY}{PriceChange.objects.get().pk}/change/"
    assert everything() == before


@pytest.mark.parametrize("where", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "\\\\evil"])
def test_preview_when_it_is_to_go_on_elsewhere_then_it_stays_here(staff_client, of, sold, where):
    address = preview_of(Edit("panel", (1,), {"margin_bp": 5_000}))
    page = staff_client.get(address, {"next": where})
    assert "evil" not in page.content.decode()
    assert "javascript:alert" not in page.content.decode()
    answer = staff_client.post(address, {"seen": seen_on(page), "next": where})
    assert answer.url == f"{HISTORY}{PriceChange.objects.get().pk}/change/"


@pytest.mark.parametrize(
    ("kind", "permissions"),
    [
        ("panel", ("view_pricechange", "change_pricepolicy")),  # not price changes at all
        ("panel", ("view_pricechange", "change_pricechange")),  # but not this one's target
        ("provider", ("change_pricechange", "change_pricepolicy", "change_service")),
    ],
)
def test_preview_when_the_user_may_not_then_forbidden_and_nothing_changes(of, sold, kind, permissions):
    pk = {"panel": 1, "provider": of.pk}[kind]
    address = preview_of(Edit(kind, (pk,), {"margin_bp": 5_000}))
    client = helper_with(*permissions)
    before = everything()
    assert client.get(address).status_code == 403
    assert client.post(address, {"seen": "x"}).status_code == 403
    assert everything() == before


def test_preview_when_the_user_may_then_it_opens(of, sold):
    client = helper_with("change_pricechange", "change_pricepolicy")
    assert client.get(preview_of(Edit("panel", (1,), {"margin_bp": 5_000}))).status_code == 200


def test_preview_when_services_earn_nothing_or_lose_their_price_then_said_in_words(staff_client, of, sold):
    make.service(of, external_id="2", rate="900000")
    text = staff_client.get(preview_of(Edit("panel", (1,), {"margin_bp": 0}))).content.decode()
    assert "2 would earn nothing: sold for what they cost" in text
    assert "earns nothing" in text
    text = staff_client.get(preview_of(Edit("provider", (of.pk,), {"exchange_rate": 10**18}))).content.decode()
    assert "1 would have no valid price any more, and goes off sale" in text
    assert "no valid price</span>" in text
    assert "1 would be sold at a loss if the old price stayed" in text


def test_preview_when_names_are_hostile_then_escaped(staff_client, of):
    service = make.service(of, name="<script>alert(1)</script>" + "x" * 400)
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
def test_preview_when_services_are_many_then_the_statements_stay_the_same(staff_client, of, count):
    for number in range(count):
        make.service(of, external_id=str(number))
    address = preview_of(Edit("panel", (1,), {"margin_bp": 5_000}))
    staff_client.get(address)
    with statements() as found:
        staff_client.get(address)
    assert len(found) <= 20, found


# -- what was touched, and what was not --------------------------------------------------------------


def shown_form(client: Client, address: str) -> dict[str, str]:
    """What a browser would send back untouched."""
    form = client.get(address).context["adminform"].form
    data = {}
    for field in form:
        value = field.value()
        if value is not None and value is not False:
            data[field.html_name] = str(value)
        data[field.html_initial_name] = "" if value is None else str(value)
    return data


def test_form_when_it_stood_open_then_it_sets_back_nothing_that_others_set(staff_client, of, sold):
    data = shown_form(staff_client, PANEL)
    PricePolicy.objects.update(minimum_margin_bp=1_000)
    staff_client.post(PANEL, {**data, "margin_bp": "50"})
    [edit] = PriceChange.objects.get().edits
    assert edit["values"] == {"margin_bp": 5_000}


def test_form_when_columns_that_move_no_price_were_touched_too_then_only_they_are_saved(staff_client, of, sold):
    address = reverse("admin:catalog_category_change", args=[sold.category_id])
    data = shown_form(staff_client, address)
    Category.objects.update(position=7)  # written meanwhile
    answer = staff_client.post(address, {**data, "name": "Renamed", "margin_bp": "50"})
    assert answer.url.startswith(HISTORY)
    row = Category.objects.get()
    assert (row.name, row.position, row.margin_bp) == ("Renamed", 7, None)
    text = staff_client.get(answer.url).content.decode()
    assert "Renamed: margin inherited → 50%" in text
    messages = LogEntry.objects.get(object_id=str(row.pk)).get_change_message()
    assert "Name" in messages
    assert "Margin" not in messages


def test_form_when_continued_then_the_preview_leads_back_to_it(staff_client, of, sold):
    address = reverse("admin:catalog_category_change", args=[sold.category_id])
    data = {"name": "Social", "position": "0", "margin_bp": "50", "margin_fixed": "", "_continue": "1"}
    answer = staff_client.post(address, data)
    page = staff_client.get(answer.url)
    done = staff_client.post(answer.url, {"seen": seen_on(page), "next": page.context["next"]})
    assert done.url == address
    assert Category.objects.get().margin_bp == 5_000


# -- the history -------------------------------------------------------------------------------------


def applied(client: Client, *edits: Edit, summary: str = "A change") -> PriceChange:
    address = preview_of(*edits, summary=summary)
    client.post(address, {"seen": seen_on(client.get(address))})
    return PriceChange.objects.get(summary=summary, state="applied")


def test_history_then_it_says_who_set_what_from_what_to_what(staff_client, of, sold):
    shelf = Category.objects.create(name="Other shelf")
    change = applied(
        staff_client,
        Edit("panel", (1,), {"margin_bp": 5_000, "price_step": 1_000}),
        Edit("provider", (of.pk,), {"exchange_rate": 500_000_000_000}),
        Edit("service", (sold.pk,), {"category_id": shelf.pk, "allow_below_minimum": True, "margin_fixed": 250_000}),
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


def test_history_when_a_change_set_much_then_its_page_shows_the_first_of_it(staff_client, of):
    made = [make.service(of, external_id=str(number)) for number in range(120)]
    change = applied(staff_client, Edit("service", tuple(one.pk for one in made), {"margin_bp": 5_000}))
    address = f"{HISTORY}{change.pk}/change/"
    with statements() as found:
        text = staff_client.get(address).content.decode()
    assert text.count("margin inherited → 50%") == 100
    assert "And 20 more" in text
    assert len(found) <= 20, found


def test_history_then_drafts_are_not_in_it_and_nothing_can_be_edited(staff_client, of, sold):
    draft = preview_of(Edit("panel", (1,), {"margin_bp": 9_000}), summary="Only a draft")
    change = applied(staff_client, Edit("panel", (1,), {"margin_bp": 5_000}))
    assert "Only a draft" not in staff_client.get(HISTORY).content.decode()
    before = everything()
    draft_pk = re.search(r"/(\d+)/preview", draft)[1]
    assert staff_client.get(f"{HISTORY}{draft_pk}/change/").status_code == 302
    assert staff_client.post(f"{HISTORY}{change.pk}/change/", {"summary": "x"}).status_code == 403
    assert staff_client.post(f"{HISTORY}{change.pk}/delete/", {"post": "yes"}).status_code == 403
    assert staff_client.get(f"{HISTORY}add/").status_code == 403
    assert everything() == before


@pytest.mark.parametrize("count", [2, 20])
def test_history_when_it_is_long_then_the_statements_stay_the_same(staff_client, of, sold, count):
    for number in range(count):
        applied(staff_client, Edit("panel", (1,), {"margin_bp": 1_000 + number}), summary=f"Number {number}")
    with statements() as found:
        staff_client.get(HISTORY)
    assert len(found) <= 14, found


# -- undo --------------------------------------------------------------------------------------------


def test_undo_then_asked_shown_and_taken_back(staff_client, of, sold):
    change = applied(staff_client, Edit("panel", (1,), {"margin_bp": 5_000}))
    address = f"{HISTORY}{change.pk}/undo/"
    assert address in staff_client.get(f"{HISTORY}{change.pk}/change/").content.decode()
    before = everything()
    assert "Sets back what this change set" in staff_client.get(address).content.decode()
    assert PriceChange.objects.count() == 1
    answer = staff_client.post(address)
    assert everything() == before
    page = staff_client.get(answer.url)
    assert "$3.00 → $2.50" in page.content.decode()
    staff_client.post(answer.url, {"seen": seen_on(page)})
    sold.refresh_from_db()
    assert (sold.price, PricePolicy.objects.get().margin_bp) == (2_500_000, 2_500)
    assert "undone" in staff_client.get(f"{HISTORY}{change.pk}/change/").content.decode()
    # Once only.
    before = everything()
    assert staff_client.post(address).status_code == 403
    assert everything() == before


def test_undo_when_two_drafted_it_then_the_second_is_told(staff_client, of, sold):
    change = applied(staff_client, Edit("panel", (1,), {"margin_bp": 5_000}))
    drafts = [staff_client.post(f"{HISTORY}{change.pk}/undo/").url for _ in range(2)]
    staff_client.post(drafts[0], {"seen": seen_on(staff_client.get(drafts[0]))})
    # Set again, so that the second draft would do something.
    applied(staff_client, Edit("panel", (1,), {"margin_bp": 5_000}), summary="Again")
    page = staff_client.get(drafts[1])
    before = everything()
    answer = staff_client.post(drafts[1], {"seen": seen_on(page)}, follow=True)
    assert "undone already" in answer.content.decode()
    assert everything() == before


def test_undo_when_the_user_may_not_then_forbidden_and_nothing_changes(staff_client, of, sold):
    change = applied(staff_client, Edit("panel", (1,), {"margin_bp": 5_000}))
    client = helper_with("view_pricechange", "change_pricepolicy")
    before = everything()
    for answer in (client.get(f"{HISTORY}{change.pk}/undo/"), client.post(f"{HISTORY}{change.pk}/undo/")):
        assert answer.status_code == 403
    assert PriceChange.objects.count() == 1
    assert everything() == before
