"""What changed in the shop: what counts as a change, that it is told of once, and who sees which price."""

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
from catalog.shop.changelog import ServiceNews, Stand, change_between, find_shelf_news, stand_before
from catalog.tasks import find_shelf_news as find_shelf_news_task
from panel.alerts.models import Heartbeat
from tests import make
from tests.scenes import at_once, statements

pytestmark = pytest.mark.django_db

MONEY = 1_000_000


def told() -> list[tuple[str, int | None, int | None]]:
    """Kind, price before and after, oldest first."""
    return list(ShelfNews.objects.order_by("pk").values_list("kind", "old_price", "new_price"))


def change(service: Service, **values: Any) -> None:
    Service.objects.filter(pk=service.pk).update(**values)
    find_shelf_news()


def later(hours: float = 2) -> None:
    """Time passed since everything that was told."""
    ShelfNews.objects.update(noticed_at=F("noticed_at") - timedelta(hours=hours))


@pytest.fixture
def known(service) -> Service:
    """Followers at $2.50, seen by an earlier look."""
    assert find_shelf_news() == 0
    return service


SOLD, DEARER, OFF = Stand(True, 200), Stand(True, 300), Stand(False, 200)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, SOLD, ServiceNews("new", None, 200)),
        (None, OFF, None),
        (SOLD, SOLD, None),
        (SOLD, DEARER, ServiceNews("dearer", 200, 300)),
        (DEARER, SOLD, ServiceNews("cheaper", 300, 200)),
        (SOLD, OFF, ServiceNews("gone", 200, None)),
        (OFF, SOLD, ServiceNews("back", 200, 200)),
        (OFF, DEARER, ServiceNews("back", 200, 300)),
        (OFF, OFF, None),
    ],
)
def test_change_between_two_looks_and_back(before, after, expected):
    assert change_between(before, after) == expected
    if expected:
        assert stand_before(expected) == before


def test_look_when_it_is_the_first_of_all_then_it_only_takes_note(service):
    assert find_shelf_news() == 0
    assert told() == []
    assert find_shelf_news() == 0
    assert ShelfMark.objects.values_list("service", "is_sold", "price").get() == (service.pk, True, 2_500_000)


def test_look_when_a_service_is_put_on_sale_then_it_is_new_and_not_before(known, provider):
    added = make.service(provider, external_id="2")
    change(added, is_on_sale=False)
    assert told() == []
    change(added, is_on_sale=True)
    assert told() == [("new", None, 2_500_000)]


def test_look_when_the_price_changes_then_the_direction_is_told(known):
    change(known, price=2 * MONEY)
    later()
    change(known, price=3 * MONEY)
    assert told() == [("cheaper", 2_500_000, 2 * MONEY), ("dearer", 2 * MONEY, 3 * MONEY)]


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
def test_look_when_a_service_cannot_be_ordered_any_more_then_it_is_gone(known, vanish):
    vanish()
    find_shelf_news()
    assert told() == [("gone", 2_500_000, None)]
    assert find_shelf_news() == 0


def test_look_when_a_service_returns_later_then_it_is_back_with_both_prices(known):
    change(known, is_on_sale=False)
    later()
    change(known, is_on_sale=True, price=3 * MONEY)
    assert told() == [("gone", 2_500_000, None), ("back", 2_500_000, 3 * MONEY)]


def test_look_when_a_service_flaps_then_nothing_remains_to_be_told(known):
    for _ in range(3):
        change(known, is_on_sale=False)
        assert told() == [("gone", 2_500_000, None)]
        change(known, is_on_sale=True)
        assert told() == []


def test_look_when_it_returns_at_once_at_another_price_then_that_is_told(known):
    change(known, is_on_sale=False)
    change(known, is_on_sale=True, price=2 * MONEY)
    assert told() == [("cheaper", 2_500_000, 2 * MONEY)]


def test_look_when_prices_move_within_the_hour_then_one_line_tells_the_whole_way(known, provider):
    change(known, price=2 * MONEY)
    change(known, price=3 * MONEY)
    assert told() == [("dearer", 2_500_000, 3 * MONEY)]
    change(known, price=2_500_000)
    assert told() == []


def test_look_when_a_new_service_goes_within_the_hour_then_it_is_new_when_it_comes_again(known, provider):
    added = make.service(provider, external_id="2")
    find_shelf_news()
    change(added, is_on_sale=False)
    assert told() == []
    change(added, is_on_sale=True)
    assert [kind for kind, *_ in told()] == ["new"]


def test_look_when_a_service_was_gone_for_long_and_flaps_then_it_stays_gone_once(known):
    change(known, is_on_sale=False)
    later()
    change(known, is_on_sale=True)
    change(known, is_on_sale=False)
    assert told() == [("gone", 2_500_000, None)]


def test_look_when_news_are_old_then_they_are_dropped(known):
    change(known, price=2 * MONEY)
    later(hours=90 * 24 + 1)
    find_shelf_news()
    assert told() == []


def test_look_when_there_are_many_more_services_then_the_statements_are_bounded(known, provider):
    counts = []
    for start in (100, 200):
        for number in range(start, start + 40):
            make.service(provider, external_id=str(number))
        Service.objects.update(price=F("price") + 1000)
        with statements() as found:
            assert find_shelf_news() >= 41
        counts.append(len(found))
    assert counts[0] <= counts[1] <= 12  # The second round also replaces what the first one told.


@pytest.mark.django_db(transaction=True)
def test_looks_when_they_run_at_once_then_each_change_is_told_once(service, provider):
    at_once(4, lambda number: find_shelf_news())
    assert ShelfMark.objects.count() == 1
    make.service(provider, external_id="2")
    Service.objects.filter(pk=service.pk).update(price=2 * MONEY)
    at_once(4, lambda number: find_shelf_news())
    assert sorted(kind for kind, *_ in told()) == ["cheaper", "new"]


def test_look_when_another_one_wrote_first_then_this_one_writes_nothing(known, provider, monkeypatch):
    added = make.service(provider, external_id="2")
    Service.objects.filter(pk=known.pk).update(price=2 * MONEY)
    look = changelog._stands_now

    def overtaken(marks: Any) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(changelog, "_stands_now", look)
            assert find_shelf_news() == 2
        return look(marks)

    monkeypatch.setattr(changelog, "_stands_now", overtaken)
    assert find_shelf_news() == 0
    ShelfMark.objects.filter(pk=added.pk).update(price=1)
    monkeypatch.setattr(changelog, "_stands_now", lambda marks: (ShelfMark.objects.update(price=7), look(marks))[1])
    assert find_shelf_news() == 0
    assert sorted(kind for kind, *_ in told()) == ["cheaper", "new"]


def test_task_and_command_when_run_then_they_look_and_the_task_beats(known, capsys):
    Service.objects.update(price=2 * MONEY)
    call_command("find_shelf_news")
    assert "Changes in the shop: 1." in capsys.readouterr().out
    find_shelf_news_task()
    assert Heartbeat.objects.filter(task="find_shelf_news").exists()


# -- the page --------------------------------------------------------------------------------------


def page(client: Client, **query: str) -> Any:
    return client.get(reverse("service_changes"), query)


def names(response: Any) -> list[str]:
    return [line.news.service.name for line in response.context["news"].lines]


def test_page_shows_the_direction_and_both_list_prices(signed_in, known):
    change(known, price=2 * MONEY)
    text = page(signed_in).content.decode()
    assert "Cheaper −20%" in text
    assert "$2.50" in text and "$2.00" in text


def test_page_when_the_customer_has_a_price_of_their_own_then_no_list_price_is_shown(signed_in, customer, known):
    CustomerPrice.objects.create(customer=customer, service=known, price=2_200_000)
    change(known, price=3 * MONEY)
    text = page(signed_in).content.decode()
    assert "Dearer +20%" in text
    assert "$2.20" in text
    assert "$2.50" not in text and "$3.00" not in text


def test_page_when_a_service_is_gone_then_it_cannot_be_ordered_from_there(signed_in, known):
    change(known, is_on_sale=False)
    text = page(signed_in).content.decode()
    assert "Gone" in text and "Not on sale now" in text
    assert reverse("order_new") + "?service=" not in text


def test_page_filters_by_kind_and_favorites(signed_in, customer, other, known, provider):
    added = make.service(provider, external_id="2", name="Likes")
    change(known, price=2 * MONEY)
    Favourite.objects.create(customer=customer, service=known)
    Favourite.objects.create(customer=other, service=added)
    assert sorted(names(page(signed_in))) == ["Followers", "Likes"]
    assert names(page(signed_in, kind="new")) == ["Likes"]
    assert names(page(signed_in, favorites="1")) == ["Followers"]
    assert names(page(signed_in, favorites="1", kind="new")) == []
    assert sorted(names(page(signed_in, kind="nonsense", after="x"))) == ["Followers", "Likes"]


def test_page_when_news_are_older_than_30_days_then_they_are_not_shown(signed_in, known):
    change(known, price=2 * MONEY)
    ShelfNews.objects.update(noticed_at=timezone.now() - timedelta(days=31))
    assert names(page(signed_in)) == []


def test_page_escapes_names_and_takes_as_many_queries_for_many_rows(signed_in, known, provider):
    counts = []
    for start in (10, 40):
        for number in range(start, start + 30):
            make.service(provider, external_id=str(number), name=f"<script>alert({number})</script>")
        find_shelf_news()
        with statements() as found:
            text = page(signed_in).content.decode()
        counts.append(len(found))
        assert "<script>alert" not in text and "&lt;script&gt;alert" in text
    assert counts[0] == counts[1] <= 12
    assert len(names(page(signed_in))) == 50
    after = page(signed_in).context["news"].page.next
    assert len(names(page(signed_in, **{after[0]: after[1]}))) == 10
