"""Two people at once: whoever saves second is told, and nothing is saved until they chose."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import partial
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from billing.models import Coupon
from catalog.models import Category
from panel.accounts.roles import SUPPORT, set_up_roles
from panel.activity.record import Change, record
from panel.channels.models import Channel
from tests import make
from tests.threads import in_threads

pytestmark = pytest.mark.django_db


def values_of(page: str) -> dict[str, Any]:
    """Return the fields of the form on a page, as a browser would send them."""
    form = re.search(r'<form[^>]*id="\w+_form".*?</form>', page, re.DOTALL)
    assert form
    found: dict[str, Any] = defaultdict(list)
    for tag in re.findall(r"<input[^>]*>", form[0]):
        pairs = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        kind, can_be_off = pairs.get("type"), pairs.get("type") in ("checkbox", "radio")
        is_off = can_be_off and not re.search(r"\schecked[\s>]", tag)
        if "name" in pairs and not is_off and kind not in ("submit", "file"):
            found[pairs["name"]].append(unescape(pairs.get("value", "on" if can_be_off else "")))
    for name, body in re.findall(r'<textarea[^>]*name="([\w-]+)"[^>]*>\n?(.*?)</textarea>', form[0], re.DOTALL):
        found[name].append(unescape(body))
    for name, body in re.findall(r'<select[^>]*name="([\w-]+)"[^>]*>(.*?)</select>', form[0], re.DOTALL):
        found[name] += map(unescape, re.findall(r'value="([^"]*)"[^>]*\sselected', body))
    return found


def page_of(client: Any, row: Any) -> tuple[str, dict[str, str]]:
    """Return the address of a row's page, and the fields that it shows."""
    address = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    return address, values_of(client.get(address).content.decode())


def stored(row: Any) -> Any:
    return type(row)._base_manager.get(pk=row.pk)


def box_of(page: str) -> str:
    found = re.search(r'name="overwrite-row" value="(\w+)"', page)
    assert found
    return found[1]


@pytest.fixture
def rows(provider: Any, customer: Any) -> dict[str, Any]:
    service = make.service(provider)
    return {
        "category": service.category,
        "service": service,
        "provider": provider,
        "customer": customer,
        "method": make.payment_method(),
        "channel": Channel.objects.create(name="Mails", kind="mail", target="a@example.org"),
    }


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        ("category", "name"),
        ("service", "description"),
        ("provider", "name"),
        ("customer", "first_name"),
        ("method", "name"),
        ("channel", "name"),
    ],
)
def test_form_when_another_saved_first_then_told_and_nothing_saved(kind, column, rows, staff_client, staff):
    row = rows[kind]
    address, shown = page_of(staff_client, row)
    mine = shown | {column: "Mine"}
    type(row).objects.filter(pk=row.pk).update(**{column: "Theirs"})
    record(actor_id=staff.pk, objects=[row], changes=[Change(column, "", "Theirs")])
    answer = staff_client.post(address, mine)
    text = unescape(answer.content.decode())
    assert answer.status_code == 200
    assert "“Theirs” now" in text and f"{staff} changed this" in text and "Mine" in text
    assert getattr(stored(row), column) == "Theirs"
    staff_client.post(address, mine | {"overwrite-row": "another"})
    assert getattr(stored(row), column) == "Theirs"
    answer = staff_client.post(address, mine | {"overwrite-row": box_of(text)})
    if kind == "method":  # Where money goes is confirmed on a page of its own, which keeps the form with its box.
        answer = staff_client.post(address, {"kept-form": answer.context["kept"]})
    assert answer.status_code == 302
    assert getattr(stored(row), column) == "Mine"


def test_form_when_written_again_before_it_is_confirmed_then_told_anew(rows, staff_client):
    method = rows["method"]
    address, shown = page_of(staff_client, method)
    asked = staff_client.post(address, shown | {"name": "Mine"})
    type(method).objects.filter(pk=method.pk).update(minimum=2_000_000)
    answer = staff_client.post(address, {"kept-form": asked.context["kept"]})
    assert answer.status_code == 200
    assert "minimum" in answer.context["adminform"].form.errors
    assert stored(method).name != "Mine"


@pytest.mark.parametrize(
    ("kind", "values", "theirs", "now"),
    [
        ("provider", {"dialect_names": "link = url"}, {"dialect": {"names": {"link": "to"}}}, "link = to"),
        ("category", {"margin_bp": "7"}, {"margin_bp": 900}, "9"),
        ("channel", {"addresses": "b@example.org"}, {"target": "c@example.org"}, "c@example.org"),
    ],
)
def test_field_when_no_column_or_a_number_then_shown_as_typed(kind, values, theirs, now, rows, staff_client):
    address, shown = page_of(staff_client, rows[kind])
    type(rows[kind]).objects.filter(pk=rows[kind].pk).update(**theirs)
    [name] = values
    answer = staff_client.post(address, shown | values)
    assert answer.context["adminform"].form.errors[name] == [
        f"This was changed after you opened the page. It is “{now}” now. What you entered is kept here, and not saved."
    ]


def test_role_of_a_customer_when_given_meanwhile_then_told(rows, staff_client):
    set_up_roles()  # A test with real transactions has deleted them.
    customer, support = rows["customer"], Group.objects.get(name=SUPPORT)
    address, shown = page_of(staff_client, customer)
    customer.groups.add(support)
    answer = staff_client.post(address, shown | {"first_name": "Mine"})
    assert "“Support” now" in answer.context["adminform"].form.errors["groups"][0]
    assert list(customer.groups.all()) == [support]


def test_form_when_only_another_field_was_written_then_both_stay(rows, staff_client):
    category = rows["category"]
    address, shown = page_of(staff_client, category)
    Category.objects.filter(pk=category.pk).update(position=77)
    assert staff_client.post(address, shown | {"name": "Mine"}).status_code == 302
    assert (stored(category).name, stored(category).position) == ("Mine", 77)


def test_form_when_nobody_else_saved_then_saved(rows, staff_client):
    address, shown = page_of(staff_client, rows["category"])
    assert staff_client.post(address, shown | {"name": "Mine"}).status_code == 302
    assert stored(rows["category"]).name == "Mine"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("kind", "column"), [("category", "name"), ("coupon", "code")])
def test_two_posts_at_once_then_one_is_saved_and_the_other_told(kind, column, staff):
    row = {"category": Category(name="Likes"), "coupon": Coupon(code="SPRING", bonus_bp=500)}[kind]
    row.save()
    clients = [Client(), Client()]
    for client in clients:
        client.force_login(staff)
    address, shown = page_of(clients[0], row)
    posts = [partial(client.post, address, shown | {column: f"MINE{n}"}) for n, client in enumerate(clients)]
    answers = in_threads(*posts)
    assert sorted(answer.status_code for answer in answers) == [200, 302], answers
    [saved] = [f"MINE{n}" for n, answer in enumerate(answers) if answer.status_code == 302]
    assert getattr(stored(row), column) == saved
    [told] = [answer for answer in answers if answer.status_code == 200]
    assert f"“{saved}” now" in told.content.decode()
