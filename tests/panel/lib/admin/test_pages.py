"""Pages far down a list: the same rows in the same order, read by their keys."""

from __future__ import annotations

from typing import Any

import pytest

from panel.accounts.models import User
from panel.lib.admin import pages
from panel.lib.admin.pages import DeepPaginator
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
