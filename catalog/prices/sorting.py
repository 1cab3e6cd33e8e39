"""The order of services within their categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db import transaction

from catalog.models import Service
from catalog.prices.storage import lock_prices
from panel.lib.bulk_sql import in_chunks, update_rows


def save_positions(*, positions: Mapping[int, int]) -> None:
    """Set the positions of services, by primary key."""
    with transaction.atomic():
        lock_prices()  # Serializes writers of many services: in different orders they would deadlock.
        update_rows(model=Service, columns=("position",), rows=positions.items())


def arrange_services(*, categories: Sequence[int], by: str) -> int:
    """Number the services of each category from 1, by "price" or by "name"; return how many moved.

    Takes the lock of all prices to serialize writers of many services.
    """
    keys = {"price": ("price", "name", "pk"), "name": ("name", "price", "pk")}[by]
    moved: list[tuple[int, int]] = []
    with transaction.atomic():
        lock_prices()
        for chunk in in_chunks(categories):
            rows = Service.objects.filter(category__in=chunk).order_by("category", *keys)
            place, last = 0, None
            for pk, category, position in rows.values_list("pk", "category_id", "position"):
                place, last = (place + 1 if category == last else 1), category
                if position != place:
                    moved.append((pk, place))
        return update_rows(model=Service, columns=("position",), rows=moved)
