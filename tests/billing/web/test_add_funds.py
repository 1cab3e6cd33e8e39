"""Adding funds: amounts to choose, ways to pay, and what is not finished yet."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from billing.models import Deposit, PaymentMethod
from billing.said_paid import say_paid
from billing.web.amount_chips import MOST, amount_chips
from panel.lib.money import MICRO
from tests import make


def chips(minimum, maximum, tiers=None):
    method = PaymentMethod(minimum=int(minimum * MICRO), maximum=int(maximum * MICRO), tiers=tiers)
    return [(chip.value, chip.bonus_bp) for chip in amount_chips(method)]


@pytest.mark.parametrize(
    ("minimum", "maximum", "values"),
    [
        (5, 1000, ["5", "10", "25", "50", "100", "250"]),
        (500, 100_000, ["500", "1000", "2500", "5000", "10000", "25000"]),
        (20, 40, ["25"]),
        (12, 13, ["12", "13"]),
        (7, 7, ["7"]),
        (0.5, 2, ["1"]),
    ],
)
def test_chips_when_within_limits_then_what_people_pay(minimum, maximum, values):
    assert [value for value, _ in chips(minimum, maximum)] == values


def test_chips_when_bonuses_begin_then_marked_and_no_more_than_fit():
    tiers = [[30 * MICRO, 100], [100 * MICRO, 300], [500 * MICRO, 500], [5_000 * MICRO, 900]]
    assert chips(5, 1000, tiers) == [("5", 0), ("10", 0), ("25", 0), ("30", 100), ("100", 300), ("500", 500)]
    assert chips(5, 1000, [[100 * MICRO, 300]])[-2:] == [("100", 300), ("250", 300)]
    assert MOST == 6


@pytest.mark.django_db
def test_chips_when_a_link_asks_for_an_amount_then_it_is_the_first(signed_in):
    make.payment_method()

    def first_two(amount):
        page = signed_in.get(reverse("add_funds"), {"amount": amount})
        return [chip.value for chip in page.context["chips"]][:2]

    assert first_two("18.88") == ["18.88", "5"]
    assert first_two("1") == first_two("nonsense") == first_two("0") == ["5", "10"]


@pytest.mark.django_db
def test_chip_when_sent_without_scripts_then_in_the_field_and_nothing_requested(signed_in):
    method = make.payment_method()
    data = {"method": method.pk, "amount": "", "amount_is": "25", "coupon": "", "request_key": uuid4().hex}
    text = signed_in.post(reverse("add_funds"), data).content.decode()
    assert 'name="amount" value="25"' in text
    assert not Deposit.objects.exists()


@pytest.mark.django_db
def test_ways_when_several_then_each_with_limits_wait_and_bonus_in_words(signed_in, customer):
    method = make.payment_method(tiers=[[100 * MICRO, 300]])
    make.payment_method(name="Second", minimum=1, is_active=False)
    now = timezone.now()
    for number in range(5):
        Deposit.objects.create(
            customer=customer,
            method=method,
            amount=1,
            credited=1,
            state="approved",
            request_key=f"{number}",
            created_at=now - timedelta(minutes=12),
            decided_at=now,
        )
    text = signed_in.get(reverse("add_funds")).content.decode()
    for words in ("By hand, usually within 15 min", "3% bonus from", "$1,000.00"):
        assert words in text
    assert "Second" not in text


@pytest.mark.django_db
def test_way_when_changed_by_script_then_what_is_typed_is_kept(signed_in):
    make.payment_method()
    second = make.payment_method(name="Second", minimum=20 * MICRO)
    asked = {"method": second.pk, "amount": "1", "coupon": "abc"}
    text = signed_in.get(reverse("add_funds"), asked, headers={"HX-Request": "true"}).content.decode()
    assert 'name="amount" value="1"' in text
    assert "smallest amount is $20.00" in text


@pytest.mark.django_db
def test_bonus_when_shown_for_each_way_then_a_smaller_one_of_the_chosen_is_told(signed_in):
    first = make.payment_method(bonus_bp=500)
    second = make.payment_method(name="Second", bonus_bp=100)
    data = {"method": second.pk, "amount": "50", f"seen_bonus_{first.pk}": "500", f"seen_bonus_{second.pk}": "200"}
    refused = signed_in.post(reverse("add_funds"), {**data, "request_key": uuid4().hex})
    assert "The bonus has changed" in refused.content.decode()
    data[f"seen_bonus_{second.pk}"] = "100"
    assert signed_in.post(reverse("add_funds"), {**data, "request_key": uuid4().hex}).status_code == 302


@pytest.mark.django_db
def test_open_requests_when_unpaid_then_on_top_to_continue_or_abandon(signed_in, customer):
    deposit = make.pending_deposit(customer)
    cancel = reverse("deposit_cancel", args=[deposit.pk])
    page = signed_in.get(reverse("add_funds"))
    text = page.content.decode()
    assert "Not finished yet" in text and "Continue" in text and cancel in text
    assert list(page.context["page"].rows) == []
    assert signed_in.post(cancel, {"from_list": "1"}).url == reverse("add_funds")
    assert "Not finished yet" not in signed_in.get(reverse("add_funds")).content.decode()
    assert Deposit.objects.get().state == "canceled"


@pytest.mark.django_db
def test_open_requests_when_paid_then_no_longer_to_abandon(signed_in, customer):
    deposit = make.pending_deposit(customer)
    say_paid(deposit_id=deposit.pk)
    text = signed_in.get(reverse("add_funds")).content.decode()
    assert "See how it stands" in text
    assert reverse("deposit_cancel", args=[deposit.pk]) not in text
    Deposit.objects.update(paid_at=None, expires_at=timezone.now() - timedelta(hours=1))
    assert "Not finished yet" not in signed_in.get(reverse("add_funds")).content.decode()


@pytest.mark.django_db
def test_lists_when_not_paid_or_expired_then_say_so(signed_in, customer):
    deposit = make.pending_deposit(customer)
    assert "To be paid" in signed_in.get(reverse("wallet")).content.decode()
    say_paid(deposit_id=deposit.pk)
    text = signed_in.get(reverse("wallet")).content.decode()
    assert "Waiting" in text and "To be paid" not in text
    Deposit.objects.update(paid_at=None, expires_at=timezone.now() - timedelta(hours=1))
    assert "Expired" in signed_in.get(reverse("add_funds")).content.decode()
