"""Search in the list of orders: numbers, links, parts of links, and names of services.

A search is bounded: it finds a number or a whole link of any age, but a part of a link or a service's name only among
the newest orders.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from catalog.models import Service
from catalog.selectors import matching
from orders.models import Order
from orders.selectors import orders_of
from panel.accounts.models import User
from panel.lib.digits import whole_number
from panel.lib.links.keys import link_key, link_keys
from panel.lib.links.texts import trim

# How many of the newest orders are searched for a part of a link or a service's name: no index can find these.
LOOKED_THROUGH = 10_000
MAX_FOUND = 1_000
MAX_NUMBERS = 200
# Services whose name matches, of all that there are.
MAX_SERVICES = 500

_BEFORE_NUMBER = re.compile(r"(?:orders?|no\.?|id)?[\s:]*#?", re.IGNORECASE)
_BETWEEN = re.compile(r"[\s,;]+")


@dataclass(frozen=True, slots=True)
class Found:
    """The orders that a text finds. `missing` are numbers in it that none of the orders has.

    `is_cut`: there are more. `is_shallow`: older orders were not searched.
    """

    pks: Sequence[int]
    is_cut: bool = False
    is_shallow: bool = False
    missing: Sequence[int] = ()


class NotNumbers(ValueError):
    """The text looks like a list of order numbers and is none. The message is for the customer."""


def read_numbers(text: str) -> list[int] | None:
    """Return the order numbers that `text` asks for, each once: "order 7", "#7", "7, 8", "7 8"; None for other texts.

    One number without a word or a sign is another text: it may be a part of a link. Raise NotNumbers.
    """
    named = _BEFORE_NUMBER.match(text)
    start = named.end() if named else 0
    words = [word.removeprefix("#") for word in _BETWEEN.split(text[start:].strip()) if word]
    numbers = [whole_number(word) for word in words]
    odd = [word for word, number in zip(words, numbers, strict=True) if number is None]
    if odd or not words:
        if len(words) > 2 and 2 * len(odd) < len(words) and re.search(r"[,;\n]", text):
            words_left = _("“%(word)s” is not an order number. Write numbers alone, as in “7, 8”.")
            raise NotNumbers(words_left % {"word": odd[0]})
        return None
    if len(words) == 1 and not start:
        return None
    if len(words) > MAX_NUMBERS:
        raise NotNumbers(_("Search for at most %(most)s order numbers at a time.") % {"most": MAX_NUMBERS})
    return list(dict.fromkeys(number for number in numbers if number is not None))


def find_orders(*, customer: User, rows: QuerySet[Order], text: str, services: Sequence[int] | None) -> Found:
    """Return which of `rows`, the customer's, match `text`. Raise NotNumbers.

    `services` are those that the customer ordered, None if there are too many to list. At most five statements.
    """
    if numbers := read_numbers(text):
        pks = set(rows.filter(pk__in=numbers).values_list("pk", flat=True))
        missing = [number for number in numbers if number not in pks] if len(numbers) > 1 else []
        return Found([number for number in numbers if number in pks], missing=missing)
    newest = orders_of(customer=customer).values_list("pk", flat=True)
    last = list(newest[LOOKED_THROUGH - 1 : LOOKED_THROUGH + 1])
    text = trim(text) or text
    ids = rows.order_by("-pk").values_list("pk", flat=True)
    same = list(ids.filter(link_key__in=link_keys(text))[: MAX_FOUND + 1])
    # A part of the address that all such links have, or of what was typed.
    is_part = Q(link_key__icontains=link_key(text) or text) | Q(link__icontains=text)
    if named := _services_named(text, services):
        is_part |= Q(service_id__in=named)
    like = list(ids.filter(is_part, pk__gte=last[0] if last else 0)[: MAX_FOUND + 1])
    found = sorted({*same, *like}, reverse=True)
    number = whole_number(text)
    exact = [] if number is None else list(rows.filter(pk=number).values_list("pk", flat=True))
    return Found([*exact, *found[:MAX_FOUND]], is_cut=len(found) > MAX_FOUND, is_shallow=len(last) > 1)


def _services_named(text: str, services: Sequence[int] | None) -> list[int]:
    """Return the services whose name or category has every word of `text`; none for a number or a link."""
    if whole_number(text) is not None or not re.search(r"\w", text) or re.search(r"[/@]|\w\.\w", text):
        return []
    among = Service.objects.order_by() if services is None else Service.objects.filter(pk__in=services).order_by()
    return list(matching(among, text).values_list("pk", flat=True)[:MAX_SERVICES])
