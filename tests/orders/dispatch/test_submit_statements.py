"""How many SQL statements a submitted order needs: as many in a long queue as in a short one."""

from __future__ import annotations

import pytest

from orders.dispatch.submit import submit_for_provider
from orders.marks.guard import may_send
from tests import make
from tests.scenes import make_all_due, statements

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

# From the claim to the recorded id, without what opens and closes transactions.
STATEMENTS_AN_ORDER = 10


def test_queue_when_it_grows_then_the_statements_per_order_do_not(upstream, provider, customer, service):
    """A statement for each waiting order would show as a rising figure."""

    def cost_of_draining(count: int) -> int:
        for number in range(count):
            make.order(customer, service, quantity=10, link=f"https://example.com/{count}/{number}")
        make_all_due()
        with statements() as found:
            assert submit_for_provider(provider=provider, seconds=60) == count
        return len(found)

    assert may_send()  # The first round makes the first mark.
    empty, one, five, twenty = (cost_of_draining(count) for count in (0, 1, 5, 20))
    assert len(upstream.orders()) == 26
    each = one - empty
    assert (five - one, twenty - five) == (4 * each, 15 * each)
    assert each <= STATEMENTS_AN_ORDER
