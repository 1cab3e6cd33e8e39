"""Changes in the shop: what counts as a change, that each is written once, and who sees which price."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from catalog.models import CustomerPrice, Favourite, Provider, Service, ShelfMark, ShelfNews, UpstreamService
from catalog.shop import changelog
from catalog.shop.changelog import ServiceChange, ServiceState, change_between, record_shop_changes, state_before
from catalog.tasks import find_shelf_news
from panel.alerts.models import Heartbeat
from tests import make
from tests.scenes import at_once, statements

pytestmark = pytest.mark.django_db

MONEY = 1_000_000


def changes_written() -> list[tuple[str, int | None, int | None]]:
    """Return kind, old and new price of all changes, oldest first."""
    return list(ShelfNews.objects.order_by("pk").values_list("kind", "old_price", "new_price"))


def change(service: Service, **values: Any) -> None:
    Service.objects.filter(pk=service.pk).update(**values)
    record_shop_changes()


def age_changes(hours: float = 2) -> None:
    """Move all changes so many hours into the past."""
    ShelfNews.objects.update(noticed_at=F("noticed_at") - timedelta(hours=hours))


@pytest.fixture
def known_service(service) -> Service:
    """A service at $2.50 that an earlier comparison has stored."""
    assert record_shop_changes() == 0
    return service


SOLD, DEARER, OFF = ServiceState(True, 200), ServiceState(True, 300), ServiceState(False, 200)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, SOLD, ServiceChange("new", None, 200)),
        (None, OFF, None),
        (SOLD, SOLD, None),
        (SOLD, DEARER, ServiceChange("dearer", 200, 300)),
        (DEARER, SOLD, ServiceChange("cheaper", 300, 200)),
        (SOLD, OFF, ServiceChange("gone", 200, None)),
        (OFF, SOLD, ServiceChange("back", 200, 200)),
        (OFF, DEARER, ServiceChange("back", 200, 300)),
        (OFF, OFF, None),
    ],
)
def test_change_between_when_states_differ_then_kind_and_prices(before, after, expected):
    assert change_between(before, after) == expected
    if expected:
        assert state_before(expected) == before


def test_comparison_when_it_is_the_first_then_only_states_are_stored(service):
    assert record_shop_changes() == 0
    assert changes_written() == []
    assert record_shop_changes() == 0
    assert ShelfMark.objects.values_list("service", "is_sold", "price").get() == (service.pk, True, 2_500_000)


def test_comparison_when_service_goes_on_sale_then_new(known_service, provider):
    added = make.service(provider, external_id="2")
    change(added, is_on_sale=False)
    assert changes_written() == []
    change(added, is_on_sale=True)
    assert changes_written() == [("new", None, 2_500_000)]


def test_comparison_when_price_changes_then_cheaper_or_dearer(known_service):
    change(known_service, price=2 * MONEY)
    age_changes()
    change(known_service, price=3 * MONEY)
    assert changes_written() == [("cheaper", 2_500_000, 2 * MONEY), ("dearer", 2 * MONEY, 3 * MONEY)]


@pytest.mark.parametrize(
    "vanish",
    [
        lambda: Service.objects.update(is_on_sale=False),
        lambda: UpstreamService.objects.update(is_listed=False),
        lambda: UpstreamService.objects.update(type="subscriptions"),
        lambda: Provider.objects.update(is_active=False),
    ],
    ids=["taken off sale", "not listed", "of a type that is not sold", "its provider is off"],
)
def test_comparison_when_service_cannot_be_ordered_then_gone(known_service, vanish):
    vanish()
    record_shop_changes()
    assert changes_written() == [("gone", 2_500_000, None)]
    assert record_shop_changes() == 0


def test_comparison_when_service_returns_later_then_both_prices(known_service):
    change(known_service, is_on_sale=False)
    age_changes()
    change(known_service, is_on_sale=True, price=3 * MONEY)
    assert changes_written() == [("gone", 2_500_000, None), ("back", 2_500_000, 3 * MONEY)]


def test_comparison_when_service_returns_at_once_then_no_change(known_service):
    for _ in range(3):
        change(known_service, is_on_sale=False)
        assert changes_written() == [("gone", 2_500_000, None)]
        change(known_service, is_on_sale=True)
        assert changes_written() == []


def test_comparison_when_it_returns_at_new_price_then_price_change(known_service):
    change(known_service, is_on_sale=False)
    change(known_service, is_on_sale=True, price=2 * MONEY)
    assert changes_written() == [("cheaper", 2_500_000, 2 * MONEY)]


def test_comparison_when_prices_change_within_hour_then_one_change(known_service, provider):
    change(known_service, price=2 * MONEY)
    change(known_service, price=3 * MONEY)
    assert changes_written() == [("dearer", 2_500_000, 3 * MONEY)]
    change(known_service, price=2_500_000)
    assert changes_written() == []


def test_comparison_when_new_service_leaves_briefly_then_new_again(known_service, provider):
    added = make.service(provider, external_id="2")
    record_shop_changes()
    change(added, is_on_sale=False)
    assert changes_written() == []
    change(added, is_on_sale=True)
    assert [kind for kind, *_ in changes_written()] == ["new"]


def test_comparison_when_service_returns_briefly_then_gone_once(known_service):
    change(known_service, is_on_sale=False)
    age_changes()
    change(known_service, is_on_sale=True)
    change(known_service, is_on_sale=False)
    assert changes_written() == [("gone", 2_500_000, None)]


def test_comparison_when_changes_are_old_then_deleted(known_service):
    change(known_service, price=2 * MONEY)
    age_changes(hours=90 * 24 + 1)
    record_shop_changes()
    assert changes_written() == []


def test_comparison_when_many_services_then_query_count_is_limited(known_service, provider):
    counts = []
    for start in (100, 200):
        for number in range(start, start + 40):
            make.service(provider, external_id=str(number))
        Service.objects.update(price=F("price") + 1000)
        with statements() as found:
            assert record_shop_changes() >= 41
        counts.append(len(found))
    assert counts[0] <= counts[1] <= 12  # the second comparison also replaces the changes of the first


@pytest.mark.django_db(transaction=True)
def test_comparisons_when_concurrent_then_each_change_written_once(service, provider):
    at_once(4, lambda number: record_shop_changes())
    assert ShelfMark.objects.count() == 1
    make.service(provider, external_id="2")
    Service.objects.filter(pk=service.pk).update(price=2 * MONEY)
    at_once(4, lambda number: record_shop_changes())
    assert sorted(kind for kind, *_ in changes_written()) == ["cheaper", "new"]


def test_comparison_when_another_wrote_first_then_writes_nothing(known_service, provider, monkeypatch):
    added = make.service(provider, external_id="2")
    Service.objects.filter(pk=known_service.pk).update(price=2 * MONEY)
    read_states = changelog._current_states

    def overtaken(marks: Any) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(changelog, "_current_states", read_states)
            assert record_shop_changes() == 2
        return read_states(marks)

    monkeypatch.setattr(changelog, "_current_states", overtaken)
    assert record_shop_changes() == 0
    ShelfMark.objects.filter(pk=added.pk).update(price=1)

    def change_marks_first(marks: Any) -> Any:
        ShelfMark.objects.update(price=7)
        return read_states(marks)

    monkeypatch.setattr(changelog, "_current_states", change_marks_first)
    assert record_shop_changes() == 0
    assert sorted(kind for kind, *_ in changes_written()) == ["cheaper", "new"]


def test_task_and_command_when_run_then_compared_and_heartbeat_set(known_service, capsys):
    Service.objects.update(price=2 * MONEY)
    call_command("find_shelf_news")
    assert "Changes in the shop: 1." in capsys.readouterr().out
    find_shelf_news()
    assert Heartbeat.objects.filter(task="find_shelf_news").exists()


# -- the page --------------------------------------------------------------------------------------


def page(client: Client, **query: str) -> Any:
    return client.get(reverse("service_changes"), query)


def names(response: Any) -> list[str]:
    return [line.news.service.name for line in response.context["news"].lines]


def test_page_when_price_changed_then_shows_direction_and_prices(signed_in, known_service):
    change(known_service, price=2 * MONEY)
    text = page(signed_in).content.decode()
    assert "Price down −20%" in text
    assert "$2.50" in text and "$2.00" in text


def test_page_when_customer_has_own_price_then_no_list_price(signed_in, customer, known_service):
    CustomerPrice.objects.create(customer=customer, service=known_service, price=2_200_000)
    change(known_service, price=3 * MONEY)
    text = page(signed_in).content.decode()
    assert "Price up +20%" in text
    assert "$2.20" in text
    assert "$2.50" not in text and "$3.00" not in text


def test_page_when_service_is_gone_then_no_order_link(signed_in, known_service):
    change(known_service, is_on_sale=False)
    text = page(signed_in).content.decode()
    assert "Removed" in text and "Not on sale now" in text
    assert reverse("order_new") + "?service=" not in text


def test_page_when_filtered_by_kind_and_favorites_then_only_those(signed_in, customer, other, known_service, provider):
    added = make.service(provider, external_id="2", name="Likes")
    change(known_service, price=2 * MONEY)
    Favourite.objects.create(customer=customer, service=known_service)
    Favourite.objects.create(customer=other, service=added)
    assert sorted(names(page(signed_in))) == ["Followers", "Likes"]
    assert names(page(signed_in, kind="new")) == ["Likes"]
    assert names(page(signed_in, favorites="1")) == ["Followers"]
    assert names(page(signed_in, favorites="1", kind="new")) == []
    assert sorted(names(page(signed_in, kind="nonsense", after="x"))) == ["Followers", "Likes"]


def test_page_when_changes_are_older_than_30_days_then_not_shown(signed_in, known_service):
    change(known_service, price=2 * MONEY)
    ShelfNews.objects.update(noticed_at=timezone.now() - timedelta(days=31))
    assert names(page(signed_in)) == []


def test_page_when_many_rows_then_escaped_with_same_query_count(signed_in, known_service, provider):
    counts = []
    for start in (10, 40):
        for number in range(start, start + 30):
            make.service(provider, external_id=str(number), name=f"<script>alert({number})</script>")
        record_shop_changes()
        with statements() as found:
            text = page(signed_in).content.decode()
        counts.append(len(found))
        assert "<script>alert" not in text and "&lt;script&gt;alert" in text
    assert counts[0] == counts[1] <= 12
    assert len(names(page(signed_in))) == 50
    after = page(signed_in).context["news"].page.next
    assert len(names(page(signed_in, **{after[0]: after[1]}))) == 10
