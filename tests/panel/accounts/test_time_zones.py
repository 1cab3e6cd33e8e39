"""Pages show times in the reader's zone: the account's, else the browser's, else the panel's."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from orders.models import Order
from panel.accounts.models import User
from panel.accounts.time_zones import zone_named, zones_by_region
from panel.lib.panel_days import panel_day
from tests import make

pytestmark = pytest.mark.django_db

# In Tokyo it is the next day.
EVENING = datetime(2024, 3, 8, 20, 30, tzinfo=UTC)


@pytest.fixture
def order(customer, service) -> Order:
    order = make.order(customer, service)
    Order.objects.filter(pk=order.pk).update(created_at=EVENING)
    order.events.update(created_at=EVENING)
    return order


def say_zone(client: Client, name: str) -> None:
    client.cookies[settings.TIME_ZONE_COOKIE_NAME] = name


def page(client: Client, name: str, *args: object, **params: str) -> str:
    return client.get(reverse(name, args=args), params).content.decode()


@pytest.mark.parametrize(
    ("account", "browser", "shown", "city"),
    [
        ("", "", "8 Mar 2024, 20:30", "UTC"),
        ("", "Asia/Tokyo", "9 Mar 2024, 05:30", "Tokyo"),
        ("America/Argentina/Buenos_Aires", "Asia/Tokyo", "8 Mar 2024, 17:30", "Buenos Aires"),
        ("", "../../etc/passwd", "8 Mar 2024, 20:30", "UTC"),
        ("", "Asia/Atlantis", "8 Mar 2024, 20:30", "UTC"),
        ("Zone/Removed", "Asia/Tokyo", "9 Mar 2024, 05:30", "Tokyo"),
    ],
)
def test_times_when_account_or_browser_names_a_zone_then_shown_in_it(
    account, browser, shown, city, signed_in, customer, order
):
    User.objects.filter(pk=customer.pk).update(time_zone=account)
    say_zone(signed_in, browser)
    html = page(signed_in, "order_detail", order.pk)
    assert f"<bdi>{shown}</bdi>" in html
    assert f"Times are in <bdi>{city}</bdi>." in html


def test_zone_when_the_request_ended_then_the_next_one_starts_without(signed_in, order):
    say_zone(signed_in, "Asia/Tokyo")
    page(signed_in, "order_detail", order.pk)
    assert timezone.get_current_timezone_name() == "UTC"


def test_admin_when_staff_chose_a_zone_then_it_keeps_the_panels(staff_client, staff, order):
    User.objects.filter(pk=staff.pk).update(time_zone="Asia/Tokyo")
    html = staff_client.get(reverse("admin:orders_order_change", args=[order.pk])).content.decode()
    assert "8 Mar 2024, 20:30" in html
    assert "05:30" not in html


def test_days_of_filters_when_in_a_zone_then_they_begin_at_its_midnight(signed_in, order):
    def found(day: str) -> bool:
        return reverse("order_detail", args=[order.pk]) in page(signed_in, "order_list", since=day, until=day)

    assert (found("2024-03-08"), found("2024-03-09")) == (True, False)
    say_zone(signed_in, "Asia/Tokyo")
    assert (found("2024-03-08"), found("2024-03-09")) == (False, True)


def test_limits_when_a_reader_has_a_zone_then_days_stay_the_panels(monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: EVENING)
    with timezone.override("Asia/Tokyo"):
        assert panel_day() == EVENING.date()
        assert timezone.localdate() != panel_day()


@pytest.mark.parametrize("name", ["theme_css", "healthz", "api_v2"])
def test_answers_for_programs_when_signed_in_then_the_session_is_not_read(name, signed_in, django_assert_num_queries):
    say_zone(signed_in, "Asia/Tokyo")
    answer = signed_in.get(reverse(name), {"v": "4f46e5"})
    assert "Cookie" not in answer.get("Vary", "")


# -- the choice --------------------------------------------------------------------------------------


def test_choice_when_saved_then_it_is_used_and_leads_back(signed_in, customer, order):
    say_zone(signed_in, "Asia/Tokyo")
    assert "As my browser says: Tokyo" in page(signed_in, "time_zone")
    there = reverse("order_detail", args=[order.pk])
    answer = signed_in.post(reverse("time_zone"), {"time_zone": "Europe/Istanbul", "next": there})
    assert answer.url == there
    assert "Times are in <bdi>Istanbul</bdi>." in page(signed_in, "order_detail", order.pk)
    signed_in.post(reverse("time_zone"), {"time_zone": ""})
    assert "Times are in <bdi>Tokyo</bdi>." in page(signed_in, "order_detail", order.pk)


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_choice_when_next_leads_elsewhere_then_it_is_ignored(elsewhere, signed_in):
    answer = signed_in.post(reverse("time_zone"), {"time_zone": "UTC", "next": elsewhere})
    assert answer.url == reverse("time_zone")


def test_choice_when_unknown_then_refused_at_its_field(signed_in, customer):
    answer = signed_in.post(reverse("time_zone"), {"time_zone": "Asia/Atlantis"})
    assert "Choose one of the list." in answer.content.decode()
    assert User.objects.get(pk=customer.pk).time_zone == ""


def test_list_when_offered_then_each_name_is_a_zone():
    names = [name for zones in zones_by_region().values() for name, _ in zones]
    assert len(names) == len(set(names)) > 300
    assert all(zone_named(name) for name in names)
