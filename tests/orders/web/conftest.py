"""Orders of Alice's, for tests of the list."""

from __future__ import annotations

import pytest

from tests import make
from tests.orders.web.listed import run


@pytest.fixture
def create_orders(customer, service):
    """Return a function that creates orders of Alice's, the oldest first, with the given columns."""
    make.deposit(customer, "100")
    count = 0

    def make_orders(number=1, *, of=service, link="https://example.com/a", **values):
        nonlocal count
        made = []
        for _ in range(number):
            count += 1
            order = make.accepted_order(customer, of, upstream_id=f"u{count}", link=link)
            run(order, next_poll_at=None, **values)
            made.append(order)
        return made

    return make_orders
