"""Teach what a provider's words for types mean, and list the words that nobody knows.

A type decides how a price is counted. What 1000 cost and what a package costs is the same number in a list, so a wrong
type would sell a package for a thousandth of its cost: the drafts here take a service off sale rather than guess.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count, Q

from catalog.models import PriceChange, Provider, Service, TypeWord, UpstreamService
from catalog.models.type_words import shown_word
from catalog.prices.changes import ChangeRefused, draft_change
from catalog.prices.edits import Edit
from catalog.prices.type_edits import KIND, services_of
from catalog.service_types import NOT_SOLD, SPECS, is_package_type, known_type
from panel.accounts.models import User

EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class UnknownWord:
    """A word of a provider that names no type by itself, and the type that the owner gave it, or "".

    `listed` of the provider's services have it now; `on_sale` counts the panel's services of it that are on sale.
    """

    provider: Provider
    word: str
    type: str
    listed: int = 0
    on_sale: int = 0
    examples: tuple[str, ...] = ()

    @property
    def plain(self) -> str:
        """Return the word as staff read it, without quotation marks."""
        return self.word.replace("_", " ")

    @property
    def label(self) -> str:
        """Return the name of the type; "" if it has none."""
        spec = SPECS.get(self.type)
        return str(spec.label) if spec else self.type


def draft_type(
    *, provider: Provider, word: str, service_type: str, put_on_sale: bool, actor: User | None
) -> PriceChange:
    """Draft that `word` means `service_type` at this provider; "" takes that back. Raise ChangeRefused.

    With `put_on_sale` its services go on sale, except those that take an order of exactly 1 where the price would be
    per 1000: they are surely packages. Without, those on sale whose price would be counted in another way go off sale.
    """
    if known_type(word):
        raise ChangeRefused("This word is understood already.")
    if service_type and service_type not in SPECS:
        raise ChangeRefused("This type cannot be sold.")
    if not UpstreamService.objects.filter(provider=provider, type_word=word).exists():
        raise ChangeRefused("None of its services has this type.")
    row, _ = TypeWord.objects.get_or_create(provider=provider, word=word)
    if row.type == service_type:
        raise ChangeRefused("It means that already.")
    edits = [Edit(KIND, (row.pk,), {"type": service_type})]
    if service_type:
        edits += _sale_edits(row, service_type, put_on_sale=put_on_sale)
    meaning = f"is {SPECS[service_type].label}" if service_type else "is not known any more"
    summary = f"{provider}: {shown_word(word)} {meaning}"
    return draft_change(edits=edits, source=PriceChange.Source.TYPE, summary=summary, actor=actor)


def _sale_edits(row: TypeWord, service_type: str, *, put_on_sale: bool) -> list[Edit]:
    per_package = is_package_type(service_type)
    names = ("pk", "is_on_sale", "upstream__type", "upstream__max_quantity", "upstream__is_listed")
    on, off = [], []
    for pk, is_on_sale, before, most, is_listed in services_of(row).order_by("pk").values_list(*names):
        is_surely_package = not per_package and most <= 1
        is_counted_anew = per_package != is_package_type(before)
        if is_on_sale and (is_surely_package or (is_counted_anew and not put_on_sale)):
            off.append(pk)
        elif put_on_sale and is_listed and not is_on_sale and not is_surely_package:
            on.append(pk)
    return [Edit("service", tuple(pks), {"is_on_sale": goes_on}) for pks, goes_on in ((on, True), (off, False)) if pks]


def unknown_words(*, provider: Provider | None = None) -> list[UnknownWord]:
    """Return the words that name no type by themselves, of one provider or of all; those without a type first."""
    words = TypeWord.objects.exclude(type="")
    listed = _listed(provider)
    if provider is not None:
        words = words.filter(provider=provider)
    taught = {(pk, word): meaning for pk, word, meaning in words.values_list("provider_id", "word", "type")}
    keys = {key for key in listed if not known_type(key[1])} | set(taught)
    on_sale = _on_sale(keys)
    providers = Provider.objects.in_bulk({pk for pk, _ in keys})
    found = []
    for key in keys:
        named = UpstreamService.objects.filter(provider=key[0], type_word=key[1]).order_by("pk")
        examples = tuple(named.values_list("name", flat=True)[:EXAMPLES])
        counts = listed.get(key, 0), on_sale.get(key, 0)
        found.append(UnknownWord(providers[key[0]], key[1], taught.get(key, ""), *counts, examples))
    return sorted(found, key=lambda one: (bool(one.type), one.provider.name, -one.listed, one.word))


def without_type(*, provider: Provider | None = None) -> list[UnknownWord]:
    """Return the words of listed services that nobody gave a type: these services cannot be sold. In two queries."""
    listed = _listed(provider, only_unsold=True)
    providers = Provider.objects.in_bulk({pk for pk, _ in listed})
    # A word that only this release knows gets its type from the next import.
    found = [
        UnknownWord(providers[pk], word, "", count) for (pk, word), count in listed.items() if not known_type(word)
    ]
    return sorted(found, key=lambda one: (one.provider.name, -one.listed, one.word))


def _listed(provider: Provider | None, *, only_unsold: bool = False) -> dict[tuple[int, str], int]:
    """Return how many listed services have each word, by provider and word."""
    rows = UpstreamService.objects.filter(is_listed=True, type_word__isnull=False)
    if only_unsold:
        rows = rows.exclude(type__in=[*SPECS, *NOT_SOLD])
    if provider is not None:
        rows = rows.filter(provider=provider)
    counts = rows.order_by().values_list("provider_id", "type_word").annotate(Count("pk"))
    return {(pk, word or ""): count for pk, word, count in counts}


def _on_sale(keys: Iterable[tuple[int, str]]) -> dict[tuple[int, str], int]:
    keys = list(keys)
    services = Service.objects.filter(is_on_sale=True, upstream__is_listed=True, upstream__type__in=SPECS)
    services = services.filter(
        Q(upstream__provider__in={pk for pk, _ in keys}, upstream__type_word__in={word for _, word in keys})
    )
    counts = services.order_by().values_list("upstream__provider_id", "upstream__type_word").annotate(Count("pk"))
    return {(pk, word or ""): count for pk, word, count in counts}
