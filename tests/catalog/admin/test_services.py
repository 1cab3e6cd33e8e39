"""List of services in the admin: its cells, editing in it, and actions on a selection."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from catalog.admin.services.filters import HEALTHY, Health, problems_of, with_health
from catalog.admin.services.list_table import duration_words
from catalog.models import Category, PriceChange, PricePolicy, Provider, Service, ServiceFigures, UpstreamService
from catalog.prices.changes import apply_change, change_prices, draft_undo
from catalog.prices.edits import Edit
from catalog.prices.storage import panel_terms, price_policy
from panel.accounts.models import User
from panel.lib.money import MAX_MICROS
from tests import make
from tests.make import reprice
from tests.scenes import statements

pytestmark = pytest.mark.django_db

LIST = "/admin/catalog/service/"
EDITED = ("category", "position", "is_on_sale", "margin_bp")


def stored() -> list[dict[str, Any]]:
    return list(Service.objects.order_by("pk").values())


def unchanged(before: list[dict[str, Any]]) -> bool:
    return stored() == before and not PriceChange.objects.filter(state="applied").exists()


def page_form(client: Client, query: str = "") -> dict[str, str]:
    """Return what a browser would send of an unchanged page."""
    rows = client.get(LIST + query).context["cl"].formset
    sent = {"form-TOTAL_FORMS": len(rows.forms), "form-INITIAL_FORMS": len(rows.forms), "_save": "Save"}
    for form in rows.forms:
        sent[f"{form.prefix}-id"] = form.service.pk
        for name in EDITED:
            value = form[name].value()
            sent[f"initial-{form.prefix}-{name}"] = "" if value is None else str(value)
            if name != "is_on_sale" or value:
                sent[f"{form.prefix}-{name}"] = "on" if name == "is_on_sale" else ("" if value is None else value)
    return sent


def prefix_of(sent: dict[str, Any], service: Service) -> str:
    return next(key[:-3] for key, value in sent.items() if key.endswith("-id") and value == service.pk)


def typed(sent: dict[str, Any], service: Service, **values: Any) -> dict[str, Any]:
    for name, value in values.items():
        key = f"{prefix_of(sent, service)}-{name}"
        if value is None:
            sent.pop(key, None)
        else:
            sent[key] = value
    return sent


def apply_shown(staff: User) -> None:
    apply_change(change=PriceChange.objects.get(state="draft"), seen=None, actor=staff)


def select(client: Client, action: str, *services: Service, across: bool = False, query: str = ""):
    sent = {"action": action, "_selected_action": [one.pk for one in services], "index": 0}
    return client.post(LIST + query, sent | ({"select_across": 1} if across else {}))


def client_with(*codenames: str) -> Client:
    user = User.objects.create_user("reader@example.org", "correct horse battery", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


# -- cells ---------------------------------------------------------------------------------------------


def test_list_when_services_are_many_then_statements_stay_the_same(provider, staff_client):
    for number in range(3):
        make.service(provider, external_id=str(number))
    staff_client.get(LIST)
    with statements() as few:
        staff_client.get(LIST)
    for number in range(3, 40):
        one = make.service(provider, external_id=str(number), margin_bp=number)
        Service.objects.filter(pk=one.pk).update(category=Category.objects.create(name=f"C{number}"))
        ServiceFigures.objects.create(service=one, orders=5, ended=4, completed=3, profit=-1, seconds=90)
    with statements() as many:
        staff_client.get(LIST)
    assert len(many) == len(few) <= 18
    for query in ("?q=Followers", "?health=healthy", "?margin_from=1&margin_to=90", "?on_sale=1", "?type=default"):
        with statements() as filtered:
            staff_client.get(LIST + query)
        assert len(filtered) <= len(few) + 2, query


@pytest.mark.parametrize(("name", "mine", "theirs"), [("position", "5", 9), ("margin_bp", "40", 900)])
def test_row_when_another_saved_first_then_told_and_sent_again(provider, staff_client, name, mine, theirs):
    service = make.service(provider)
    sent = typed(page_form(staff_client), service, **{name: mine})
    Service.objects.filter(pk=service.pk).update(**{name: theirs})
    before = stored()
    answer = staff_client.post(LIST, sent)
    [row] = answer.context["cl"].formset.forms
    assert row.errors[name] == ["“9” now"] and "Somebody changed this service" in answer.content.decode()
    assert unchanged(before)
    shown = re.search(rf'name="initial-{row.prefix}-{name}" value="([^"]*)"', answer.content.decode())
    assert shown
    assert staff_client.post(LIST, sent | {f"initial-{row.prefix}-{name}": shown[1]}).status_code == 302
    assert stored() != before or PriceChange.objects.filter(state="draft").exists()


def test_list_when_shown_then_cost_price_margin_and_its_level(provider, staff_client):
    inherits, own = make.service(provider), make.service(provider, external_id="2", margin_bp=4000)
    ServiceFigures.objects.create(service=own, orders=1200, ended=1000, completed=843, profit=12_345_678, seconds=7200)
    text = staff_client.get(LIST).content.decode()
    for words in ("$2.00", "$2.50", "25% · $0.50", "from panel", "$2.80", "40% · $0.80", "its own"):
        assert words in text
    for words in ("1,200", "84% done", "~2 h", "$12.35", 'title="$12.345678"'):
        assert words in text
    Category.objects.update(margin_bp=3000)
    reprice(services=Service.objects.all())
    text = staff_client.get(LIST).content.decode()
    assert "30% · $0.60" in text
    assert "from category" in text
    assert 'placeholder="30"' in text
    assert inherits.pk != own.pk


def test_list_when_service_loses_money_then_marked_by_a_word(provider, staff_client):
    one = make.service(provider)
    ServiceFigures.objects.create(service=one, orders=2, ended=2, completed=1, profit=-2_000_000)
    Service.objects.filter(pk=one.pk).update(price=1_900_000)
    text = staff_client.get(LIST).content.decode()
    assert "−5% · −$0.10 loss" in text
    assert "−$2.00" in text


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "A" * 500, '"><img src=x onerror=alert(1)>', "{{ 7|add:1 }}", "\u202egnp.exe"]
)
def test_list_and_pages_when_names_are_hostile_then_escaped(provider, staff_client, name):
    one = make.service(provider, name=name, external_id="<b>1</b>")
    Category.objects.update(name=name[:200])
    Provider.objects.update(name=name[:80])
    UpstreamService.objects.update(category=name[:200], type=name[:60])
    for url in (LIST, f"{LIST}{one.pk}/change/", f"{LIST}?type={name[:60]}", f"{LIST}?q={name[:60]}"):
        text = staff_client.get(url).content.decode()
        assert "<script>alert(1)" not in text
        assert "<img src=x" not in text
        assert "<b>1</b>" not in text


@pytest.mark.parametrize("column", range(1, 10))
@pytest.mark.parametrize("sign", ["", "-"])
def test_list_when_sorted_by_any_column_then_opens(provider, staff_client, column, sign):
    make.service(provider)
    Service.objects.update(cost=0, price=0, is_on_sale=False)
    make.service(provider, external_id="2")
    assert staff_client.get(f"{LIST}?o={sign}{column}").status_code == 200


def order_of(client: Client, query: str) -> list[str]:
    return [service.name for service in client.get(LIST + query).context["cl"].result_list]


def test_list_when_sorted_by_profit_then_never_sold_services_last(provider, staff_client):
    for number, (name, margin, profit) in enumerate([("Mid", 2000, 5), ("Top", 9000, 9), ("Low", 1000, None)]):
        one = make.service(provider, external_id=str(number), margin_bp=margin, name=name)
        if profit is not None:
            ServiceFigures.objects.create(service=one, orders=profit, ended=1, completed=1, profit=profit)
    columns = list(staff_client.get(LIST).context["cl"].list_display)
    for name in ("margin_bp", "sold", "earned", "shown_price"):
        assert order_of(staff_client, f"?o=-{columns.index(name)}") == ["Top", "Mid", "Low"], name
        assert order_of(staff_client, f"?o={columns.index(name)}") == ["Low", "Mid", "Top"], name


def test_lasting_when_shown_then_short():
    assert [duration_words(one) for one in (0, 59, 60, 7_199, 90_000)] == ["0 s", "59 s", "1 min", "1 h", "1 d"]


# -- search and filters --------------------------------------------------------------------------------


def test_search_when_by_name_or_number_then_found(provider, staff_client):
    one = make.service(provider, external_id="abc-77", name="Likes")
    other = make.service(provider, external_id="88", name="Views")
    assert order_of(staff_client, "?q=like") == ["Likes"]
    assert order_of(staff_client, f"?q={other.pk}") == ["Views"]
    assert order_of(staff_client, "?q=abc-77") == ["Likes"]
    assert order_of(staff_client, "?q=99999999999999999999999") == []
    assert one.pk != other.pk


def test_filters_when_set_then_only_matching_services(provider, staff_client):
    elsewhere = make.provider(name="Elsewhere", api_key="other")
    make.service(provider, name="Here")
    package = make.service(elsewhere, name="There", type="package")
    category = Category.objects.create(name="Other shelf")
    Service.objects.filter(pk=package.pk).update(category=category, is_on_sale=False, link_kind="phone")
    for query in (
        f"?upstream__provider__id__exact={elsewhere.pk}",
        f"?category__id__exact={category.pk}",
        "?type=package",
        "?on_sale=0",
        "?link=phone",
    ):
        assert order_of(staff_client, query) == ["There"], query
    assert order_of(staff_client, "?link=guessed") == ["Here"]
    for query in ("?health=nonsense", "?on_sale=x", "?link=x"):
        assert len(order_of(staff_client, query)) == 2, query


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("margin_from=20&margin_to=30", ["25"]),
        ("margin_from=25", ["25", "50"]),
        ("margin_to=25", ["10", "25"]),
        ("margin_from=25.01", ["50"]),
        ("margin_from=&margin_to=", ["10", "25", "50", "none"]),
    ],
)
def test_margin_filter_when_set_then_compares_actual_margin(provider, staff_client, query, found):
    for number in (10, 25, 50):
        make.service(provider, external_id=str(number), margin_bp=number * 100, name=str(number))
    none = make.service(provider, external_id="0", name="none")
    Service.objects.filter(pk=none.pk).update(cost=0, price=0, is_on_sale=False)
    assert sorted(order_of(staff_client, f"?{query}")) == found


@pytest.mark.parametrize("bad", ["abc", "-5", "1e5", "1,234", "99999999999", "%F0%9F%92%8E"])
def test_margin_filter_when_unreadable_then_ignored_with_message(provider, staff_client, bad):
    make.service(provider)
    answer = staff_client.get(f"{LIST}?margin_from={bad}&margin_to=90")
    assert "could not be read, and was ignored" in answer.content.decode()
    assert len(answer.context["cl"].result_list) == 1


def make_services_with_problems(provider: Provider) -> None:
    """Create one service for each problem, some with two, and a healthy one."""
    PricePolicy.objects.update(minimum_margin_bp=2000)
    off = make.provider(name="Off", api_key="off", is_active=False)
    make.service(provider, external_id="healthy")
    make.service(provider, external_id="gone")
    UpstreamService.objects.filter(external_id="gone").update(is_listed=False)
    make.service(off, external_id="off", type="poll")
    make.service(provider, external_id="type", type="subscriptions")
    make.service(provider, external_id="minimum", margin_bp=500)
    make.service(provider, external_id="exactly", margin_bp=2000)
    below = make.service(provider, external_id="below", margin_bp=500)
    Service.objects.filter(pk=below.pk).update(allow_below_minimum=True)
    reprice(services=Service.objects.all())
    price_less = make.service(provider, external_id="price_less")
    Service.objects.filter(pk=price_less.pk).update(cost=0, price=0, is_on_sale=False)
    nothing = make.service(provider, external_id="nothing")
    Service.objects.filter(pk=nothing.pk).update(price=nothing.cost)
    for name, completed in (("incomplete", 79), ("complete", 80), ("unended", 0)):
        one = make.service(provider, external_id=name)
        ended = 0 if name == "unended" else 100
        ServiceFigures.objects.create(service=one, orders=100, ended=ended, completed=completed)


@pytest.mark.parametrize("health", [HEALTHY, *Health.values])
@pytest.mark.parametrize("minimum", [0, 2000, 10_000_000])
def test_health_filter_when_set_then_agrees_with_the_rows(provider, staff_client, health, minimum):
    price_policy()
    make_services_with_problems(provider)
    PricePolicy.objects.update(minimum_margin_bp=minimum)
    panel = panel_terms(price_policy())
    services = Service.objects.select_related("upstream__provider", "figures")
    expected = {
        one.pk
        for one in services
        if (not problems_of(one, panel) if health == HEALTHY else Health(health) in problems_of(one, panel))
    }
    assert set(with_health(Service.objects.all(), health).values_list("pk", flat=True)) == expected
    found = staff_client.get(f"{LIST}?health={health}").context["cl"].result_list
    assert {one.pk for one in found} == expected
    if minimum == 2000:
        assert expected


def test_filters_when_amounts_are_maximal_then_no_overflow(provider, staff_client):
    price_policy()
    one = make.service(provider)
    columns = list(staff_client.get(LIST).context["cl"].list_display)
    for cost, price in ((1, MAX_MICROS), (MAX_MICROS, MAX_MICROS), (MAX_MICROS, MAX_MICROS - 1), (MAX_MICROS, 1)):
        Service.objects.filter(pk=one.pk).update(cost=cost, price=price)
        PricePolicy.objects.update(minimum_margin_bp=10_000_000)
        for query in ("?health=minimum", "?health=healthy", "?margin_from=1", f"?o={columns.index('margin_bp')}"):
            assert staff_client.get(LIST + query).status_code == 200


# -- editing in the list ---------------------------------------------------------------------------------


def test_rows_when_unchanged_then_nothing_changes(provider, staff_client):
    make.service(provider, margin_bp=1234)
    make.service(provider, external_id="2")
    before = stored()
    answer = staff_client.post(LIST, page_form(staff_client))
    assert (answer.status_code, PriceChange.objects.count()) == (302, 0)
    assert unchanged(before)


def test_rows_when_margins_are_edited_then_one_previewed_change(provider, staff_client, staff):
    one, two, three = (make.service(provider, external_id=str(number), margin_bp=1000) for number in range(3))
    category = Category.objects.create(name="Better shelf")
    sent = page_form(staff_client)
    typed(sent, one, margin_bp="50")
    typed(sent, two, margin_bp="", category="better  SHELF")
    typed(sent, three, is_on_sale=None)
    before = stored()
    answer = staff_client.post(LIST + "?q=Followers", sent)
    change = PriceChange.objects.get()
    assert answer.url.startswith(reverse("admin:catalog_pricechange_preview", args=[change.pk]))
    assert unchanged(before)
    apply_shown(staff)
    one.refresh_from_db(), two.refresh_from_db(), three.refresh_from_db()
    assert (one.margin_bp, one.price) == (5000, 3_000_000)
    assert (two.margin_bp, two.category, two.price) == (None, category, 2_500_000)
    assert (three.is_on_sale, three.margin_bp) == (False, 1000)


def test_row_when_other_row_goes_off_sale_meanwhile_then_stays_off(provider, staff_client, staff):
    one, other = make.service(provider), make.service(provider, external_id="2")
    sent = page_form(staff_client)
    values = {"is_on_sale": False, "margin_bp": 7777}
    change_prices(edits=[Edit("service", (other.pk,), values)], source="list", summary="Meanwhile")
    staff_client.post(LIST, typed(sent, one, margin_bp="50"))
    apply_shown(staff)
    other.refresh_from_db()
    assert (other.is_on_sale, other.margin_bp) == (False, 7777)


def test_row_when_other_columns_changed_then_only_edits_are_saved(provider, staff_client, staff):
    one = make.service(provider)
    sent = page_form(staff_client)
    change_prices(edits=[Edit("service", (one.pk,), {"is_on_sale": False})], source="list", summary="Meanwhile")
    staff_client.post(LIST, typed(sent, one, margin_bp="50"))
    apply_shown(staff)
    one.refresh_from_db()
    assert (one.is_on_sale, one.margin_bp) == (False, 5000)


def test_row_when_category_was_renamed_meanwhile_then_can_be_saved(provider, staff_client):
    one = make.service(provider)
    sent = page_form(staff_client)
    Category.objects.update(name="Renamed")
    staff_client.post(LIST, typed(sent, one, position="7"))
    assert Service.objects.get(pk=one.pk).position == 7


def test_row_when_taken_off_sale_then_applied_at_once(provider, staff_client, staff):
    one = make.service(provider)
    answer = staff_client.post(LIST, typed(page_form(staff_client), one, is_on_sale=None))
    assert answer.url == LIST
    assert not Service.objects.get(pk=one.pk).is_on_sale
    change = PriceChange.objects.get()
    assert (change.state, change.actor) == ("applied", staff)


def test_positions_when_edited_then_saved_at_once(provider, staff_client):
    one, other = make.service(provider), make.service(provider, external_id="2")
    sent = typed(page_form(staff_client), one, position="20")
    staff_client.post(LIST, sent)
    one.refresh_from_db(), other.refresh_from_db()
    assert (one.position, other.position, PriceChange.objects.count()) == (20, 0, 0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"margin_bp": "abc"}, "Enter a number"),
        ({"margin_bp": "-1"}, "cannot be negative"),
        ({"margin_bp": "12.345"}, "fewer decimal places"),
        ({"position": "-1"}, "greater than or equal to 0"),
        ({"position": "x"}, "whole number"),
        ({"position": "99999999999"}, "less than or equal to"),
        ({"category": "No such"}, "No category has this name"),
        ({"category": ""}, "required"),
    ],
)
def test_row_when_invalid_then_error_beside_it_and_nothing_is_saved(provider, staff_client, values, message):
    one, good = make.service(provider), make.service(provider, external_id="2")
    sent = typed(page_form(staff_client), good, margin_bp="90", position="9")
    before = stored()
    answer = staff_client.post(LIST, typed(sent, one, **values))
    assert answer.status_code == 200
    for service, form, cells in answer.context["cl"].rows():
        errors = [str(error) for cell in cells for error in cell.errors]
        assert any(message in error for error in errors) == (service == one), (form, errors)
    assert message in answer.content.decode()
    assert 'value="90"' in answer.content.decode()
    assert unchanged(before)
    assert not PriceChange.objects.exists()


def test_row_when_list_changed_then_error_is_on_right_service(provider, staff_client):
    one = make.service(provider, name="Zebra")
    sent = typed(page_form(staff_client), one, margin_bp="abc")
    make.service(provider, external_id="2", name="Aardvark")
    Service.objects.filter(name="Aardvark").update(position=0)
    Service.objects.filter(name="Zebra").update(position=5)
    rows = list(staff_client.post(LIST, sent).context["cl"].rows())
    assert [service.name for service, _, _ in rows] == ["Zebra"]


def test_row_when_service_cannot_be_sold_then_not_put_on_sale(provider, staff_client):
    one = make.service(provider, type="subscriptions")
    other = make.service(provider, external_id="2")
    Service.objects.update(is_on_sale=False)
    Service.objects.filter(pk=other.pk).update(price=0)
    sent = typed(page_form(staff_client), one, is_on_sale="on")
    before = stored()
    text = staff_client.post(LIST, typed(sent, other, is_on_sale="on")).content.decode()
    assert "Its type cannot be ordered here." in text
    assert "It has no valid price." in text
    assert unchanged(before)


@pytest.mark.parametrize(
    "tamper",
    [
        {"form-0-id": "999999"},
        {"form-0-id": "x"},
        {"form-0-id": ""},
        {"form-TOTAL_FORMS": "1000"},
        {"form-TOTAL_FORMS": "x"},
        {"form-INITIAL_FORMS": "0"},
    ],
)
def test_rows_when_tampered_with_then_only_named_services_change(provider, staff_client, tamper):
    one = make.service(provider)
    before = stored()
    sent = typed(page_form(staff_client), one, margin_bp="50") | tamper
    assert staff_client.post(LIST, sent).status_code in (200, 302)
    assert unchanged(before)


def test_rows_when_one_service_is_sent_twice_then_set_once(provider, staff_client, staff):
    one = make.service(provider)
    make.service(provider, external_id="2")
    sent = typed(page_form(staff_client), one, margin_bp="50")
    twin = {key.replace("form-0", "form-1"): value for key, value in sent.items() if "form-0" in key}
    staff_client.post(LIST, sent | twin)
    apply_shown(staff)
    assert Service.objects.get(pk=one.pk).margin_bp == 5000


@pytest.mark.parametrize("codenames", [(), ("view_service",), ("view_service", "change_category")])
def test_rows_when_view_only_then_plain_text_and_saving_forbidden(provider, staff_client, codenames):
    one = make.service(provider)
    sent = typed(page_form(staff_client), one, margin_bp="50", position="3")
    client = client_with(*codenames)
    before = stored()
    assert client.post(LIST, sent).status_code == 403
    changing = (
        "put_on_sale",
        "take_off_sale",
        "move",
        "set_margin",
        "inherit_margin",
        "set_link_kind",
        "let_links_wait",
    )
    for action in (*changing, "export_selected"):
        select(client, action, one)
    for what, values in (
        ("margin", {"margin_bp": "50"}),
        ("move", {"category": one.category_id}),
        ("link", {"link_kind": "phone"}),
    ):
        url = reverse("admin:catalog_service_bulk", args=[what])
        assert client.post(url, {"services": str(one.pk), **values}).status_code == 403
    assert client.post(f"{LIST}{one.pk}/change/", {"name": "Mine"}).status_code == 403
    assert unchanged(before)
    assert not PriceChange.objects.exists()
    page = client.get(LIST)
    assert page.status_code == (200 if codenames else 403)
    if codenames:
        text = page.content.decode()
        assert "25% · $0.50" in text
        assert "form-0" not in text
        assert "_selected_action" not in text


# -- actions on a selection ------------------------------------------------------------------------------


def test_selection_when_some_unsellable_then_skipped_and_counted(provider, staff_client):
    good, gone = make.service(provider), make.service(provider, external_id="2")
    odd = make.service(provider, external_id="3", type="subscriptions")
    Service.objects.update(is_on_sale=False)
    Service.objects.filter(pk=gone.pk).update(price=0)
    answer = select(staff_client, "put_on_sale", good, gone, odd)
    text = staff_client.get(answer.url).content.decode()
    assert "2 left alone: no valid price, or a type that cannot be ordered." in text
    assert list(Service.objects.filter(is_on_sale=True)) == [good]
    change = PriceChange.objects.get()
    assert (change.state, change.summary) == ("applied", "Put 1 service on sale")


def test_selection_when_taken_off_sale_then_in_history_and_undoable(provider, staff_client, staff):
    one, other = make.service(provider), make.service(provider, external_id="2")
    Service.objects.filter(pk=other.pk).update(is_on_sale=False)
    select(staff_client, "take_off_sale", one, other)
    assert not Service.objects.filter(is_on_sale=True).exists()
    change = PriceChange.objects.get()
    assert (change.edits[0]["pks"], change.actor) == ([one.pk], staff)


def test_selection_when_nothing_would_change_then_says_so(provider, staff_client):
    one = make.service(provider)
    answer = select(staff_client, "inherit_margin", one)
    assert "Nothing was done" in staff_client.get(answer.url).content.decode()
    assert not PriceChange.objects.exists()


def test_selection_when_reset_to_inherited_margin_then_previewed(provider, staff_client, staff):
    one = make.service(provider, margin_bp=9000)
    Service.objects.filter(pk=one.pk).update(margin_fixed=5)
    before = stored()
    answer = select(staff_client, "inherit_margin", one)
    assert "/preview/" in answer.url
    assert unchanged(before)
    apply_shown(staff)
    one.refresh_from_db()
    assert (one.margin_bp, one.margin_fixed, one.price) == (None, None, 2_500_000)


def test_selection_when_all_get_a_margin_then_form_preview_and_apply(provider, staff_client, staff):
    for number in range(60):
        make.service(provider, external_id=str(number), name="Likes" if number % 2 else "Views")
    first = Service.objects.filter(name="Likes").first()
    page = select(staff_client, "set_margin", first, across=True, query="?q=likes")
    assert "30 services" in page.content.decode()
    before = stored()
    sent = {"services": page.context["form"].initial["services"], "margin_bp": "40", "margin_fixed": "0.1"}
    answer = staff_client.post(page.context["action"], sent)
    assert "/preview/" in answer.url
    assert "q%3Dlikes" in answer.url
    assert unchanged(before)
    apply_shown(staff)
    changed = Service.objects.filter(margin_bp=4000, margin_fixed=100_000, price=2_900_000)
    assert (changed.count(), set(changed.values_list("name", flat=True))) == (30, {"Likes"})


def test_selection_when_given_only_a_percentage_then_no_fixed_margin(provider, staff_client, staff):
    one = make.service(provider)
    Service.objects.filter(pk=one.pk).update(margin_fixed=700_000)
    url = reverse("admin:catalog_service_bulk", args=["margin"])
    staff_client.post(url, {"services": str(one.pk), "margin_bp": "40"})
    apply_shown(staff)
    one.refresh_from_db()
    assert (one.margin_bp, one.margin_fixed) == (4000, None)


def test_selection_when_moved_then_margin_of_the_category_applies(provider, staff_client, staff):
    one = make.service(provider)
    category = Category.objects.create(name="Dear", margin_bp=10_000)
    page = select(staff_client, "move", one)
    sent = {"services": page.context["form"].initial["services"], "category": category.pk}
    before = stored()
    staff_client.post(page.context["action"], sent)
    assert unchanged(before)
    apply_shown(staff)
    one.refresh_from_db()
    assert (one.category, one.price) == (category, 4_000_000)


def test_selection_when_its_link_is_set_then_checked_and_undoable(provider, staff_client, staff):
    both = [make.service(provider, external_id=number) for number in ("1", "2")]
    page = select(staff_client, "set_link_kind", *both)
    sent = {"services": page.context["form"].initial["services"], "link_kind": "username"}
    answer = staff_client.post(page.context["action"], sent)
    assert "Link of 2 services: username." in staff_client.get(answer.url).content.decode()
    assert [one.expected_link.kind for one in Service.objects.all()] == ["username"] * 2
    assert staff_client.get(LIST).content.decode().count(" · username</span>") == 2
    apply_change(change=draft_undo(change=PriceChange.objects.get(), actor=staff), seen=None, actor=staff)
    assert {one.link_kind for one in Service.objects.all()} == {""}


def test_selection_when_links_wait_then_one_at_a_time_until_reset(provider, staff_client):
    one = make.service(provider)
    for action, is_set in (("let_links_wait", True), ("let_links_run", False)):
        select(staff_client, action, one)
        assert Service.objects.get().one_at_a_time is is_set
        assert "None of these services would change" in (
            staff_client.get(select(staff_client, action, one).url).content.decode()
        )


@pytest.mark.parametrize(
    ("what", "values", "message"),
    [
        ("margin", {}, "Enter a percentage, an amount, or both."),
        ("margin", {"margin_bp": "x"}, "Enter a number"),
        ("margin", {"margin_fixed": "-1"}, "not negative"),
        ("move", {}, "required"),
        ("move", {"category": "999999"}, "Select a valid choice"),
        ("link", {"link_kind": "anything"}, "Select a valid choice"),
    ],
)
def test_selection_when_form_is_invalid_then_kept_and_error_shown(provider, staff_client, what, values, message):
    one = make.service(provider)
    before = stored()
    answer = staff_client.post(reverse("admin:catalog_service_bulk", args=[what]), {"services": str(one.pk), **values})
    text = answer.content.decode()
    assert message in text
    assert f'value="{one.pk}"' in text
    assert unchanged(before)


@pytest.mark.parametrize("services", ["", "1,,2", "x", "1;2", "9" * 19, "١"])
def test_selection_when_unreadable_then_nothing_changes(provider, staff_client, services):
    make.service(provider)
    before = stored()
    url = reverse("admin:catalog_service_bulk", args=["margin"])
    answer = staff_client.post(url, {"services": services, "margin_bp": "40"})
    assert answer.url.startswith(LIST)
    assert unchanged(before)
    assert not PriceChange.objects.exists()


def test_bulk_urls_when_opened_by_get_then_nothing_changes(provider, staff_client):
    make.service(provider)
    for what in ("margin", "move", "link"):
        assert staff_client.get(reverse("admin:catalog_service_bulk", args=[what])).status_code == 405
    assert staff_client.post(reverse("admin:catalog_service_bulk", args=["other"])).status_code == 404


def test_selection_when_exported_then_only_selected_services(provider, staff_client):
    make.service(provider, name="Likes")
    views = make.service(provider, external_id="2", name="Views")
    text = b"".join(select(staff_client, "export_selected", views).streaming_content).decode()
    assert "Views" in text
    assert "Likes" not in text


# -- one service -----------------------------------------------------------------------------------------


def test_service_page_when_its_link_is_guessed_then_the_guess_is_shown(provider, staff_client):
    one = make.service(provider, name="Followers by username")
    page = staff_client.get(f"{LIST}{one.pk}/change/").content.decode()
    assert "Guessed: username" in page
    sent = {**change_form(staff_client, one), "link_kind": "phone", "one_at_a_time": "on"}
    staff_client.post(f"{LIST}{one.pk}/change/", sent)
    one.refresh_from_db()
    assert (one.link_kind, one.one_at_a_time) == ("phone", True)


def change_form(client: Client, service: Service) -> dict[str, Any]:
    form = client.get(f"{LIST}{service.pk}/change/").context["adminform"].form
    sent = {}
    for name in form.fields:
        value = form[name].value()
        sent[f"initial-{name}"] = "" if value is None else str(value)
        if value is not False:
            sent[name] = "" if value is None else value
    return sent


def test_page_when_shown_then_price_terms_are_read_once(provider, staff_client):
    address = reverse("admin:catalog_service_change", args=[make.service(provider).pk])
    with statements() as found:
        assert staff_client.get(address).status_code == 200
    assert sum('FROM "catalog_pricepolicy"' in sql for sql in found) == 1


def test_page_when_texts_change_then_saved_and_upstream_unchanged(provider, staff_client):
    one = make.service(provider)
    before = UpstreamService.objects.values().get()
    texts = {"name": "Ours", "description": "What we say", "position": "4", "min_quantity": "50"}
    staff_client.post(f"{LIST}{one.pk}/change/", change_form(staff_client, one) | texts)
    one.refresh_from_db()
    assert (one.name, one.description, one.position, one.min_quantity) == ("Ours", "What we say", 4, 50)
    assert UpstreamService.objects.values().get() == before
    assert not PriceChange.objects.exists()


def test_page_when_margin_changes_then_previewed(provider, staff_client, staff):
    one = make.service(provider)
    before = stored()
    answer = staff_client.post(f"{LIST}{one.pk}/change/", change_form(staff_client, one) | {"margin_bp": "60"})
    assert "/preview/" in answer.url
    assert unchanged(before)
    apply_shown(staff)
    assert Service.objects.get(pk=one.pk).price == 3_200_000


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"min_quantity": "0"}, "At least 1"),
        ({"max_quantity": "-1"}, "At least 1"),
        ({"min_quantity": "100", "max_quantity": "50"}, "below the lowest"),
        ({"name": " "}, "required"),
        ({"margin_bp": "x"}, "Enter a number"),
    ],
)
def test_page_when_form_is_invalid_then_error_and_nothing_is_saved(provider, staff_client, values, message):
    one = make.service(provider)
    before = stored()
    answer = staff_client.post(f"{LIST}{one.pk}/change/", change_form(staff_client, one) | {"position": "8"} | values)
    assert message in answer.content.decode()
    assert unchanged(before)


def test_page_when_shown_then_includes_upstream_service(provider, staff_client):
    one = make.service(provider, low=10, high=10_000)
    UpstreamService.objects.update(name="Their name", category="Their shelf", is_listed=False)
    text = staff_client.get(f"{LIST}{one.pk}/change/").content.decode()
    for words in ("Their name", "Their shelf", "$2.00 for 1000", "10 to 10,000", "refill, cancel", "it vanished"):
        assert words in text
