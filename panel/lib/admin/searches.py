"""How long lists of the admin are searched: by whole values and by how addresses begin, each found by its index.

A condition over several tables, or one on the upper case of a column, makes a database read every row.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import EmailField, Field, Model, Q, QuerySet

from panel.lib.digits import whole_number

# Rows of one value that are named by their keys. More are sorted by the database.
MAX_NAMED = 1_000
# Related rows, such as customers, that one word may begin.
MAX_RELATED = 100
# The latest rows, among which a part of a text is searched for.
MAX_READ = 20_000


def found_rows(rows: QuerySet[Any], *, fields: Iterable[str], term: str) -> QuerySet[Any]:
    """Return those of `rows` that `term` finds in one of `fields`, which are written as Django's search_fields.

    "=number" compares the whole value, and "^email" how it begins. A field without a sign is searched for the term as
    a part, among the latest MAX_READ rows alone. A term that no field can hold finds nothing.
    """
    term = term.strip().replace("\0", "")
    model: Any = rows.model
    named: set[int] = set()
    many = Q()
    for condition in _conditions(model, fields, term):
        pks = list(model._default_manager.filter(condition).order_by().values_list("pk", flat=True)[: MAX_NAMED + 1])
        if len(pks) > MAX_NAMED:
            many |= condition
        else:
            named.update(pks)
    if parts := [name for name in fields if name[0] not in "=^"]:
        named.update(_with_part(model, parts, term))
    return rows.filter(many | Q(pk__in=named)) if many else rows.filter(pk__in=named)


def name_rows(rows: QuerySet[Any], *, most: int) -> tuple[QuerySet[Any], int]:
    """Return `rows` selected by key if there are at most `most`, and how many there are, `most` + 1 at most.

    To have a few rows in order, a database may choose to walk all of the table in that order.
    """
    pks = list(rows.order_by().values_list("pk", flat=True)[: most + 1])
    if len(pks) > most:
        return rows, len(pks)
    return rows.filter(pk__in=pks), len(pks)


def _conditions(model: type[Model], fields: Iterable[str], term: str) -> Iterable[Q]:
    for name in fields:
        lookup = {"=": "exact", "^": "startswith"}.get(name[0])
        if lookup and (condition := _condition(model, name[1:], lookup, term)):
            yield condition


def _condition(model: Any, path: str, lookup: str, term: str) -> Q | None:
    """Return the condition on these rows, or on the keys of related ones; None if no row can meet it."""
    name, _, rest = path.partition("__")
    field: Any = model._meta.pk if name == "pk" else model._meta.get_field(name)
    if not rest:
        value = _value(field, term)
        return None if value is None else Q(**{f"{name}__{lookup}": value})
    inner = _condition(field.related_model, rest, lookup, term)
    if inner is None:
        return None
    related = field.related_model._default_manager.filter(inner).order_by()
    pks = list(related.values_list("pk", flat=True)[: MAX_RELATED + 1])
    if "__" in rest and len(pks) > MAX_RELATED:
        # A customer with thousands of rows, to which these here belong: a join finds all of them.
        [condition] = inner.deconstruct()[1]
        return Q((f"{name}__{condition[0]}", condition[1]))
    return Q(**{f"{name}__in": pks[:MAX_RELATED]}) if pks else None


def _value(field: Field[Any, Any], term: str) -> Any:
    """Return the term as a value of the column; None if it is none."""
    if isinstance(field, EmailField):
        return term.lower() or None
    if field.get_internal_type() in ("CharField", "TextField"):
        return term if term and len(term) <= (field.max_length or len(term)) else None
    if field.get_internal_type().endswith(("IntegerField", "AutoField", "ForeignKey")):
        return whole_number(term.removeprefix("#"))
    try:
        return field.clean(term, None)
    except ValidationError:
        return None


def _with_part(model: Any, fields: Iterable[str], term: str) -> list[int]:
    """Return the keys of the latest rows that hold the term in a text, MAX_NAMED at most."""
    latest = model._default_manager.order_by("-pk").values("pk")[:MAX_READ]
    held = Q()
    for name in fields:
        held |= Q(**{f"{name}__icontains": term})
    found = model._default_manager.filter(held, pk__in=latest).order_by("-pk")
    return list(found.values_list("pk", flat=True)[:MAX_NAMED])
