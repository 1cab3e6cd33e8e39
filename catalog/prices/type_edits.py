"""Edits of kind "type": what a provider's word for a type means, for all its services at once.

They set `TypeWord.type` and the type of the rows with that word, so that it holds at once and for later imports.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.db.models import QuerySet

from catalog.models import Service, TypeWord, UpstreamService
from catalog.prices.edits import Edit
from catalog.service_types import type_of

KIND = "type"


def providers_of(edits: Iterable[Edit]) -> set[int]:
    """Return the providers whose words the edits are about, by primary key."""
    return {row.provider_id for row, _ in _words(edits)}


def new_types(edits: Iterable[Edit]) -> dict[int, str]:
    """Return the type after the edits of each service that they are about, by primary key."""
    return {pk: then for row, then in _words(edits) for pk in services_of(row).values_list("pk", flat=True)}


def write_types(edits: Iterable[Edit]) -> None:
    """Set the type of the provider's rows. Call it in the transaction that writes the words."""
    for row, then in _words(edits):
        UpstreamService.objects.filter(provider=row.provider_id, type_word=row.word).update(type=then)


def services_of(row: TypeWord) -> QuerySet[Service]:
    """Return the panel's services whose provider writes this word."""
    return Service.objects.filter(upstream__provider=row.provider_id, upstream__type_word=row.word)


def _words(edits: Iterable[Edit]) -> Iterator[tuple[TypeWord, str]]:
    """Yield each word of the edits with its type after them."""
    for edit in edits:
        if edit.kind == KIND:
            for row in TypeWord.objects.filter(pk__in=edit.pks).order_by("pk"):
                yield row, type_of(row.word, {row.word: edit.values["type"]})
