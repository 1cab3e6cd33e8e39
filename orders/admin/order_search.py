"""How the staff's list of orders is searched: by exact keys, each found in its index, however many orders there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.db.models.functions import Lower
from django.http import HttpRequest

from catalog.models import Provider
from orders.models import Order
from panel.accounts.models import User
from panel.lib.digits import whole_number
from panel.lib.links.keys import link_keys

# Of one search. More would not fit into the address of a page.
MAX_IDS = 200
# How many ids that were not found are named.
_NAMED = 20
# Orders of one link that are named by key.
MAX_NAMED = 1_000


@dataclass(frozen=True, slots=True)
class Found:
    """The orders found, and the ids of several that no order has."""

    orders: QuerySet[Order]
    missing: tuple[str, ...] = ()


class TooManyIds(ValueError):
    """More ids than one search takes. The message is for the person who pasted them."""


class SearchAdmin:
    """Mixin of the lists of orders."""

    search_fields: tuple[str, ...] = ("=pk",)  # It only shows the field.

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return what the exact keys in the term find, and say which of several ids no order has."""
        if not search_term.strip():
            return queryset, False
        try:
            found = find_orders(queryset, term=search_term)
        except TooManyIds as error:
            messages.error(request, str(error))
            return queryset.none(), False
        if found.missing and request.method == "GET":
            more = f" and {len(found.missing) - _NAMED:,} more" if len(found.missing) > _NAMED else ""
            messages.warning(request, f"No order has: {', '.join(found.missing[:_NAMED])}{more}.")
        return found.orders, False


def find_orders(orders: QuerySet[Order], *, term: str) -> Found:
    """Return those of `orders` that the term names: numbers and providers' ids of one or many, or the customer's e-mail
    address, or the link. Raise TooManyIds.
    """
    words = term.split()
    ids = words if len(words) == 1 and "/" in words[0] else term.replace(",", " ").replace(";", " ").split()
    if len(ids) > MAX_IDS:
        raise TooManyIds(f"{len(ids):,} ids are too many: search for at most {MAX_IDS} at a time.")
    if len(ids) > 1:
        return _many(orders, ids)
    return Found(_one(orders, ids[0] if ids else ""))


def customer_named(text: str) -> int | None:
    """Return the number of the customer with this number or e-mail address; None if there is none."""
    if (number := whole_number(text)) is not None:
        return number
    found = User.objects.annotate(lower=Lower("email")).filter(lower=text.lower())
    return found.values_list("pk", flat=True).first()


def _one(orders: QuerySet[Order], word: str) -> QuerySet[Order]:
    if "@" in word and "/" not in word and (customer := customer_named(word)) is not None:
        return orders.filter(customer=customer)
    if pks := list(_by_id([word])):
        return orders.filter(pk__in=pks)
    linked = Order.objects.filter(link_key__in=link_keys(word)).order_by()
    few = list(linked.values_list("pk", flat=True)[: MAX_NAMED + 1])
    # Named by key where they are few: a database may walk all orders to have those of a link in order.
    return orders.filter(pk__in=few) if len(few) <= MAX_NAMED else orders.filter(link_key__in=link_keys(word))


def _many(orders: QuerySet[Order], ids: list[str]) -> Found:
    found = _by_id(ids)
    named = {name for names in found.values() for name in names}
    return Found(orders.filter(pk__in=list(found)), tuple(one for one in dict.fromkeys(ids) if one not in named))


def _by_id(ids: list[str]) -> dict[int, set[str]]:
    """Return the orders with one of these numbers or providers' ids, each with what of `ids` names it."""
    numbers = {number: one for one in ids if (number := whole_number(one.removeprefix("#"))) is not None}
    found: dict[int, set[str]] = {}
    for pk in Order.objects.filter(pk__in=numbers).order_by().values_list("pk", flat=True):
        found.setdefault(pk, set()).add(numbers[pk])
    # With the providers, which the index of their ids begins with.
    providers = list(Provider.objects.values_list("pk", flat=True))
    sent = Order.objects.filter(provider__in=providers, upstream_id__in=ids).order_by()
    for pk, upstream_id in sent.values_list("pk", "upstream_id"):
        found.setdefault(pk, set()).add(str(upstream_id))
    return found
