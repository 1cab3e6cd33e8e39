"""What the page before a deletion says, where all of it would be too much to list.

Django lists every object that would be deleted, or that prevents it: 100,000 members of a group, or a million deposits.
"""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.db.models import PROTECT, RESTRICT, Model, QuerySet
from django.db.models.deletion import get_candidate_relations_to_delete
from django.http import HttpRequest

# Objects of one kind that are listed one by one, and counted one by one.
MAX_LISTED = 100
MAX_COUNTED = 10_000

# As Django's get_deleted_objects: what is deleted, the counts by name, the names that may not be, and what prevents it.
Deleted = tuple[list[str], dict[str, int], set[str], list[str]]

Rows = QuerySet[Any] | list[Model]


def deleted_objects(
    objs: QuerySet[Any] | list[Model], *, admin_site: AdminSite, request: HttpRequest
) -> Deleted | None:
    """Return what would be deleted with `objs`, by counts; None if it is little enough to be listed."""
    total = objs.order_by().count() if isinstance(objs, QuerySet) else len(objs)
    if not total:
        return None
    first = list(objs[:MAX_LISTED])
    opts = first[0]._meta
    relations: list[Any] = list(get_candidate_relations_to_delete(opts))
    related = [(one, _count(one, objs)) for one in relations]
    if total <= MAX_LISTED and all(count <= MAX_LISTED for _, count in related):
        return None
    lines, counts = [str(obj) for obj in first], {str(opts.verbose_name_plural): total}
    if total > MAX_LISTED:
        lines.append(f"and {total - MAX_LISTED:,} more")
    models, protected = {type(first[0])}, []
    for relation, count in related:
        model = relation.related_model
        words = f"{count:,}{' or more' if count == MAX_COUNTED else ''} {model._meta.verbose_name_plural}"
        if count and relation.on_delete in (PROTECT, RESTRICT):
            protected.append(words)
        elif count:
            lines.append(words)
            counts[str(model._meta.verbose_name_plural)] = count
            models.add(model)
    forbidden = {
        str(model._meta.verbose_name)
        for model in models
        if admin_site.is_registered(model) and not admin_site.get_model_admin(model).has_delete_permission(request)
    }
    return lines, counts, forbidden, protected


def _count(relation: Any, objs: Rows) -> int:
    """Return how many rows refer to `objs`, counted to a bound."""
    keys = objs.order_by().values("pk") if isinstance(objs, QuerySet) else [obj.pk for obj in objs]
    rows = relation.related_model._base_manager.filter(**{f"{relation.field.name}__in": keys})
    return int(rows.order_by()[:MAX_COUNTED].count())
