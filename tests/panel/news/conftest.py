"""News that were collected since yesterday, and moments in one span."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from orders.models import Order
from panel.accounts.models import User
from panel.news.found import SPAN, span_begin
from panel.news.models import NewsProgress
from tests import make


@pytest.fixture
def started() -> None:
    """News have been collected for a day."""
    now = timezone.now()
    NewsProgress.objects.create(pk=1, started_at=now - timedelta(days=1), collected_until=now - timedelta(minutes=30))


@pytest.fixture
def service() -> Any:
    return make.service(make.provider(), name="Followers <b>real</b>")


def earlier(minutes: float = 0) -> datetime:
    """Return a moment in a span whose mails are due, some minutes after its begin."""
    return span_begin(timezone.now()) - 2 * SPAN + timedelta(minutes=minutes)


def ended_order(customer: User, service: Any, *, at: datetime, status: str = "completed") -> Order:
    """Return an order that ended then."""
    order = make.accepted_order(customer, service, upstream_id=f"u{Order.objects.count()}")
    Order.objects.filter(pk=order.pk).update(status=status, finished_at=at, next_poll_at=None)
    order.refresh_from_db()
    return order
