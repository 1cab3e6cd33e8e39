"""Customers with real-looking names, their groups, agreed prices, favorites and API keys."""

from __future__ import annotations

from catalog.models import CustomerGroup, CustomerPrice, Favourite, GroupMember
from panel.accounts.models import ApiKey, User
from tests.bench.data.plan import DAY, SPAN, Plan
from tests.bench.data.writer import Writer, choose, literal

FIRST = ("maria", "ahmed", "john", "fatima", "lucas", "elena", "david", "aylin", "ivan", "sofia", "omar", "anna", "raj")
LAST = ("lopez", "yilmaz", "smith", "silva", "khan", "petrov", "mueller", "rossi", "costa", "kaya", "novak", "haddad")
HOSTS = ("gmail.example", "mail.example", "outlook.example", "agency.example", "shop.example")
# One customer in this many has two API keys.
KEY_EVERY = 20


def write_customers(writer: Writer, plan: Plan) -> None:
    first, last = choose("n", FIRST), choose("n / 13", LAST)
    writer.insert(
        User,
        source=writer.numbers(plan.customers),
        id=f"{plan.first_user} + n",
        email=f"{first} || '.' || {last} || n || '@' || {choose('n', HOSTS)}",
        first_name=first,
        last_name=last,
        password=literal("!bench"),
        date_joined=writer.ago(f"{SPAN} - n * 100 % {SPAN - DAY}"),
        last_login=f"CASE WHEN n % 3 <> 0 THEN {writer.ago('n * 7919 % 5000000')} END",
        is_active="n % 100 <> 99",
    )
    _write_terms(writer, plan)
    writer.insert(
        ApiKey,
        source=f"{writer.numbers(plan.customers // KEY_EVERY)} CROSS JOIN (SELECT 1 AS k UNION ALL SELECT 2) AS two",
        id=f"{plan.first_key} + 2 * n + k",
        customer_id=f"{plan.first_user} + 1 + {KEY_EVERY} * (n - 1)",
        name=f"{choose('n + k', ('My shop', 'Reseller bot', 'Test', 'Website'))} || ' ' || k",
        digest="'bench-' || n || '-' || k",
        ending=writer.padded("(n * 7 % 10000)", 4),
        is_read_only="n % 10 = 0",
        created_at=writer.ago(f"n * {DAY} % {SPAN}"),
        revoked_at=f"CASE WHEN k = 2 AND n % 4 = 0 THEN {writer.ago('n * 60')} END",
        last_used_at=f"CASE WHEN k = 1 THEN {writer.ago('n * 11 % 1000000')} END",
    )


def _write_terms(writer: Writer, plan: Plan) -> None:
    """Write what only some customers have. The first customer has all of it."""
    group = CustomerGroup.objects.order_by("pk").values_list("pk", flat=True)[0]
    writer.insert(
        GroupMember,
        source=f"{writer.numbers(plan.customers)} WHERE n % 50 = 1",
        customer_id=f"{plan.first_user} + n",
        group_id=f"{group} + n % 3",
    )
    one_of_services = f"{plan.first_service} + 1 + (n + k * 17) % {plan.services}"
    writer.insert(
        CustomerPrice,
        source=_each(writer, plan.customers, 3, every=100),
        customer_id=f"{plan.first_user} + n",
        service_id=one_of_services,
        price="100000 * (1 + n % 50)",
    )
    writer.insert(
        Favourite,
        source=_each(writer, plan.customers, 5, every=10),
        customer_id=f"{plan.first_user} + n",
        service_id=one_of_services,
        created_at=writer.ago("n + k"),
    )


def _each(writer: Writer, customers: int, count: int, *, every: int) -> str:
    """Return `count` rows, numbered by `k` from 1, for one customer in `every`."""
    numbers = f"(SELECT n FROM {writer.numbers(customers)} WHERE n % {every} = 1) AS few"
    return f"{numbers} CROSS JOIN (SELECT n AS k FROM {writer.numbers(count)}) AS times"
