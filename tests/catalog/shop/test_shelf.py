"""What is kept of the shelf: when it is read again, and what is not guessed twice."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from catalog.models import CatalogVersion, Service, ServiceFigures
from catalog.shop import shelf as subject
from catalog.shop.shelf import MAX_AGE, current_shelf, usual_seconds
from tests import make
from tests.scenes import statements
from tests.threads import in_threads

pytestmark = pytest.mark.django_db


def test_shelf_when_nothing_changes_then_one_query(service):
    current_shelf()
    with statements() as found:
        assert [row.pk for row in current_shelf().rows] == [service.pk]
    assert len(found) == 1


def test_shelf_when_the_catalog_changes_then_read_again(provider):
    services = [make.service(provider, external_id=name, name=name) for name in ("Instagram likes", "TikTok views")]
    assert [row.platform for row in current_shelf().rows] == ["instagram", "tiktok"]
    Service.objects.filter(pk=services[0].pk).update(price=7_000_000, name="YouTube likes")
    assert [(row.platform, row.price) for row in current_shelf().rows][0] == ("youtube", 7_000_000)
    Service.objects.filter(pk=services[1].pk).update(is_on_sale=False)
    assert [row.platform for row in current_shelf().rows] == ["youtube"]


def test_shelf_when_old_then_sales_are_read_again(service, monkeypatch):
    assert current_shelf().rows[0].orders == 0
    ServiceFigures.objects.create(service=service, orders=7, ended=5, completed=4, timed=5, typical_seconds=60)
    assert current_shelf().rows[0].orders == 0
    later = timezone.now() + MAX_AGE
    monkeypatch.setattr(timezone, "now", lambda: later)
    shelf = current_shelf()
    assert (shelf.rows[0].orders, shelf.rows[0].seconds) == (7, 60)
    assert shelf.sales == subject.Sales(7, 5, 4, 60)
    # A clock that was set back does not keep it for long.
    monkeypatch.setattr(timezone, "now", lambda: later - timedelta(days=1))
    assert current_shelf() is not shelf


def test_shelf_when_the_version_is_unknown_then_never_kept(service):
    CatalogVersion.objects.all().delete()
    assert current_shelf() is not current_shelf()


@pytest.mark.django_db(transaction=True)
def test_shelf_when_threads_ask_at_once_then_made_once(service, monkeypatch):
    made = []
    make_shelf = subject._make
    monkeypatch.setattr(subject, "_make", lambda version: made.append(version) or make_shelf(version))
    in_threads(*[current_shelf] * 4)
    assert len(made) == 1


@pytest.mark.parametrize(
    ("services", "expected"),
    [([], None), ([(60, 5)], 60), ([(600, 5), (60, 5)], 60), ([(600, 6), (60, 5)], 600), ([(9, 1), (5, 1), (7, 1)], 7)],
)
def test_usual_seconds_when_weighted_then_half_of_the_orders(services, expected):
    assert usual_seconds(services) == expected
