"""Pages far down a list: the same rows in the same order, read by their keys."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from panel.accounts.admin import UserAdmin
from panel.accounts.models import User
from panel.lib.admin import pages
from panel.lib.admin.pages import DeepPaginator
from tests import make
from tests.scenes import statements

pytestmark = pytest.mark.django_db


@pytest.fixture
def people(monkeypatch) -> Any:
    monkeypatch.setattr(pages, "DEEP", 4)
    User.objects.bulk_create(User(email=f"{number:02}@example.org") for number in range(11))
    return User.objects.filter(is_staff=False).order_by("-email")


def test_page_when_deep_then_the_rows_of_an_offset_in_their_order(people):
    paginator = DeepPaginator(people, 3)
    shown = [list(paginator.page(number).object_list) for number in paginator.page_range]
    assert shown == [list(people[start : start + 3]) for start in range(0, 11, 3)]


@pytest.mark.parametrize(
    ("order", "number", "expected"),
    [("-pk", 2, 1), ("-pk", 3, 2), ("-email", 1, 2)],
    ids=["by key", "by key, deep", "in another order"],
)
def test_page_when_deep_or_sorted_then_read_by_its_keys(people, order, number, expected):
    people = people.order_by(order)
    page = DeepPaginator(people, 3).page(1)
    page.paginator.count  # noqa: B018
    with statements() as found:
        list(page.paginator.page(number).object_list)
    assert len(found) == expected
    assert all("email" not in one.partition(" FROM ")[0] for one in found if "OFFSET 6" in one)


def test_admin_when_a_list_is_deep_then_shown_in_its_order(people, client, monkeypatch):
    monkeypatch.setattr(UserAdmin, "list_per_page", 3)
    client.force_login(make.owner())
    address = reverse("admin:accounts_user_changelist")
    shown = [one for number in (1, 2, 3, 4) for one in client.get(address, {"p": number}).context["cl"].result_list]
    assert [one.pk for one in shown] == [one.pk for one in client.get(address, {"all": ""}).context["cl"].result_list]
    assert len(shown) == 12


def test_entries_when_sorting_is_requested_then_latest_stay_first(customer, client):
    client.force_login(make.owner())
    for amount in ("3", "1", "2"):
        make.deposit(customer, amount)
    address = reverse("admin:billing_entry_changelist")
    found = [entry.pk for entry in client.get(address, {"o": "4"}).context["cl"].result_list]
    assert found == sorted(found, reverse=True)
