"""The numbers of the order form: how they are read, what is said below them, and the quantities to tap."""

from __future__ import annotations

import pytest
from django.urls import reverse

from catalog.models import UpstreamService
from orders.models import Order
from orders.web.quantities import chips_of
from tests import make

pytestmark = [pytest.mark.django_db, pytest.mark.once]

LINK = "https://example.com/page"


def live(client, service, quantity):
    """Return what the page gets while `quantity` is typed."""
    data = {"service": service.pk, "link": LINK, "quantity": quantity}
    return client.post(reverse("order_quote"), data, headers={"HX-Request": "true"}).content.decode()


@pytest.mark.parametrize("typed", ["2.5k", "2.500", "2 500", "۲۵۰۰", "２５００"])
def test_quantity_when_written_in_any_way_then_ordered(signed_in, service, upstream, typed):
    data = {"service": service.pk, "link": LINK, "quantity": typed, "request_key": "a" * 32, "seen_charge": 10_000_000}
    assert signed_in.post(reverse("order_new"), data).status_code == 302
    assert Order.objects.get().quantity == 2_500


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("1.5", "Only whole numbers can be ordered. Write 1 or 2."),
        ("10^3", "Write the number out: 1,000."),
        ("-5", "Write a number from 1 on."),
        ("1", "The smallest order of this service is"),
        ("1m", "The largest order of this service is"),
        ("1.000", "“1.000” is read as 1,000."),
        ("１k", "“１k” is read as 1,000."),
    ],
)
def test_quantity_when_typed_then_answered_at_the_field(signed_in, service, typed, answer):
    note = live(signed_in, service, typed).partition('id="id_quantity_helptext"')[2].partition("</div>")[0]
    assert answer in note


def test_quantity_when_typed_then_the_box_may_show_it_with_commas(signed_in, service):
    assert 'data-typed="1k" data-shown="1,000"' in live(signed_in, service, "1k")
    assert 'data-typed="1.5" data-shown=""' in live(signed_in, service, "1.5")


def test_quantity_when_refused_then_kept_and_said_once(signed_in, service):
    data = {"service": service.pk, "link": LINK, "quantity": "1.5", "request_key": "a" * 32}
    text = signed_in.post(reverse("order_new"), data).content.decode()
    assert 'value="1.5"' in text
    assert text.count("Only whole numbers can be ordered. Write 1 or 2.") == 1


@pytest.mark.parametrize(
    ("low", "high", "step", "quantities"),
    [
        (20, 100_000, None, [20, 500, 1_000, 5_000, 100_000]),
        (500, 5_000, None, [500, 1_000, 5_000]),
        (10, 300, None, [10, 300]),
        (1_000, 1_000, None, [1_000]),
        (1, 10_000, 400, [400, 10_000]),
        (250, 10_000, 250, [250, 500, 1_000, 5_000, 10_000]),
        (900, 950, 400, []),
    ],
)
def test_chips_when_limits_and_steps_are_set_then_only_what_can_be_ordered(low, high, step, quantities):
    service = make.service(make.provider(), low=low, high=high)
    UpstreamService.objects.update(quantity_step=step)
    service.upstream.refresh_from_db()
    chips = chips_of(service, typed=1_000)
    assert [chip.quantity for chip in chips] == quantities
    assert [chip.quantity for chip in chips if chip.is_chosen] == [one for one in quantities if one == 1_000]


def test_chips_when_the_service_counts_lines_then_none(signed_in, provider):
    service = make.service(provider, type="custom_comments", low=1)
    assert "data-count=" not in signed_in.get(reverse("order_new"), {"service": service.pk}).content.decode()
