"""Many agreed prices at once: what is planned, and that it is applied only as it was seen."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry

from catalog.models import CustomerPrice, PricePolicy, Service
from catalog.prices import agreements
from catalog.prices.agreement_files import MAX_ROWS, read_agreements, write_agreements
from catalog.prices.agreements import PricesMoved, Rule, apply_agreements, less_percent, plan_agreements
from catalog.prices.csv_format import FileRefused
from catalog.prices.storage import price_policy
from panel.lib.own_account import OwnAccount
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def services():
    """Three services with a cost of $1 and a price of $2."""
    provider = make.provider()
    made = [make.service(provider, external_id=str(number), name=f"Service {number}") for number in range(1, 4)]
    Service.objects.update(cost=1_000_000, price=2_000_000)
    price_policy()
    PricePolicy.objects.update(minimum_margin_bp=1_000, price_step=100)
    return [Service.objects.get(pk=one.pk) for one in made]


def agree(customer, service, price):
    return CustomerPrice.objects.create(customer=customer, service=service, price=price)


def prices_of(customer):
    return dict(CustomerPrice.objects.filter(customer=customer).values_list("service_id", "price"))


def applied(wanted, rule, actor, seen=""):
    seen = seen or plan_agreements(wanted=wanted, rule=rule).seen
    return apply_agreements(wanted=wanted, rule=rule, seen=seen, actor=actor, how="Test")


@pytest.mark.parametrize(("rule", "after"), [(Rule.KEEP, 1_500_000), (Rule.TAKE, 1_800_000), (Rule.LOWER, 1_500_000)])
def test_plan_when_a_price_is_there_then_the_rule_decides(customer, services, rule, after):
    first, second, _ = (one.pk for one in services)
    agree(customer, services[0], 1_500_000)
    wanted = {customer.pk: {first: 1_800_000, second: 1_200_000}}
    plan = plan_agreements(wanted=wanted, rule=rule)
    assert (plan.new, plan.changed, plan.kept, plan.conflicts) == (1, rule == Rule.TAKE, rule != Rule.TAKE, 1)
    applied(wanted, rule, make.owner())
    assert prices_of(customer) == {first: after, second: 1_200_000}


def test_plan_when_below_the_lowest_price_then_held_up(customer, services):
    plan = plan_agreements(wanted={customer.pk: {services[0].pk: 900_000, services[1].pk: 2_500_000}}, rule=Rule.TAKE)
    low, high = plan.lines
    assert (low.pays, low.is_held_up, plan.held_up) == (1_100_000, True, 1)
    assert (high.pays, high.is_above_list, plan.above_list) == (2_500_000, True, 1)


def test_percent_when_off_then_rounded_up_to_the_step(services):
    assert less_percent(services=services[:1], off_bp=333) == {services[0].pk: 1_933_400}


def agree_meanwhile(customer, services):
    agree(customer, services[1], 1)


def change_meanwhile(customer, services):
    CustomerPrice.objects.filter(service=services[0]).update(price=7)


def delete_meanwhile(customer, services):
    CustomerPrice.objects.all().delete()


def cost_meanwhile(customer, services):
    Service.objects.filter(pk=services[1].pk).update(cost=1_900_000)


def margin_meanwhile(customer, services):
    PricePolicy.objects.update(minimum_margin_bp=9_000)


@pytest.mark.parametrize(
    "change", [agree_meanwhile, change_meanwhile, delete_meanwhile, cost_meanwhile, margin_meanwhile]
)
def test_apply_when_it_moved_since_seen_then_nothing(customer, services, change):
    agree(customer, services[0], 1_500_000)
    wanted = {customer.pk: {services[0].pk: 1_400_000, services[1].pk: 1_200_000}}
    seen = plan_agreements(wanted=wanted, rule=Rule.TAKE).seen
    change(customer, services)
    before = prices_of(customer)
    with pytest.raises(PricesMoved):
        applied(wanted, Rule.TAKE, make.owner(), seen)
    assert prices_of(customer) == before
    assert not LogEntry.objects.exists()


def test_apply_when_added_in_between_then_all_is_undone(customer, other, services, monkeypatch):
    """By somebody who agrees a price on its own page, after this one has read which there are."""
    wanted = {other.pk: {services[0].pk: 1_400_000}, customer.pk: {services[1].pk: 1_200_000}}
    seen = plan_agreements(wanted=wanted, rule=Rule.TAKE).seen
    plan = agreements.plan_agreements

    def plan_and_add(**kwargs):
        found = plan(**kwargs)
        agree(customer, services[1], 5)
        return found

    monkeypatch.setattr(agreements, "plan_agreements", plan_and_add)
    with pytest.raises(PricesMoved):
        applied(wanted, Rule.TAKE, make.owner(), seen)
    assert prices_of(other) == {}


def test_apply_when_ones_own_then_refused(customer, services):
    with pytest.raises(OwnAccount):
        applied({customer.pk: {services[0].pk: 1}}, Rule.TAKE, customer)
    assert prices_of(customer) == {}


def test_apply_when_done_then_logged_with_each_customer(customer, other, services):
    owner, prices = make.owner(), {services[0].pk: 1_400_000, services[1].pk: 1_200_000}
    agree(other, services[0], 1_500_000)
    applied({customer.pk: prices, other.pk: prices}, Rule.TAKE, owner)
    entries = {entry.object_id: entry for entry in LogEntry.objects.all()}
    assert entries[str(customer.pk)].get_change_message() == "Test: 2 added, 0 changed."
    assert entries[str(other.pk)].get_change_message() == "Test: 1 added, 1 changed."
    first = entries[str(other.pk)].detail.changes[0]
    assert first == {"column": f"price of service {services[0].pk}", "before": "$1.50", "after": "$1.40"}


@pytest.mark.parametrize("many", [2, 40])
def test_plan_when_many_then_as_many_statements(customer, services, django_assert_num_queries, many):
    wanted = {make.customer(f"c{number}@example.org").pk: {services[0].pk: 5} for number in range(many)}
    with django_assert_num_queries(3):
        plan_agreements(wanted=wanted, rule=Rule.TAKE)


# -- files ---------------------------------------------------------------------------------------------------


def test_file_when_written_then_read_back_without_formulas(customer, services):
    Service.objects.filter(pk=services[0].pk).update(name="=HYPERLINK(1)")
    agree(customer, services[0], 1_400_000)
    agree(customer, services[2], 1_234_567)
    text = "".join(write_agreements(customer_id=customer.pk))
    assert f"{services[0].pk},'=HYPERLINK(1),2,1.4" in text
    assert read_agreements(text.encode()) == {services[0].pk: 1_400_000, services[2].pk: 1_234_567}


def test_file_when_wrong_then_each_line_is_told(services):
    one, two, three = (one.pk for one in services)
    text = f"service;agreed price\nx;1\n999;1\n{one};abc\n{two};0\n{three};1,5\n{three};2\n{one}\n{two};-1\n"
    with pytest.raises(FileRefused) as refused:
        read_agreements(text.encode())
    assert [error.partition(":")[0] for error in refused.value.errors] == [f"Line {n}" for n in (2, 3, 4, 5, 6, 8, 9)]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "“service” is missing"),
        (b"service,price\n1,2", "“agreed price” is missing"),
        (b"service,service,agreed price\n1,1,2", "twice"),
        (b"service,agreed price\n", "holds no prices"),
        (b"\xff\xfe\x00", "not"),
        (b"service,agreed price\n" + b"1,\n" * (MAX_ROWS + 1), "5,000"),
    ],
)
def test_file_when_it_is_none_then_says_so(db, data, words):
    with pytest.raises(FileRefused) as refused:
        read_agreements(data)
    assert words in refused.value.errors[0]
