"""A database that is put back to an earlier state of it, while the provider keeps what it was sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from orders.dispatch.submit import submit_due_orders
from orders.models import Order
from orders.reconcile import match, worker
from panel.sandbox.server import SandboxServer
from tests import make
from tests.scenes import create_known_orders, fresh


@pytest.fixture(autouse=True)
def narrow_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search asks for 200 ids instead of 2,000, in two calls instead of twenty."""
    for module in (match, worker):
        monkeypatch.setattr(module, "MAX_WIDTH", 200)


@contextmanager
def rolled_back() -> Iterator[None]:
    """Undo in the database all that the block did: as if a backup from before it were restored."""
    backup = transaction.savepoint()
    yield
    transaction.savepoint_rollback(backup)


@pytest.fixture
def queued(upstream: SandboxServer, customer: Any, service: Any) -> list[Order]:
    """Orders of 100, 200 and 300, queued in the backup. The first two were sent after it, and one of 77 as well.

    The order of 77 is missing in the database.
    """
    create_known_orders(upstream, customer, service)
    orders = [make.order(customer, service, quantity=quantity) for quantity in (100, 200, 300)]
    Order.objects.filter(pk=orders[2].pk).update(next_action_at=timezone.now() + timedelta(hours=1))
    with rolled_back():
        make.order(customer, service, quantity=77)
        assert submit_due_orders() == 3
    return [fresh(order) for order in orders]
