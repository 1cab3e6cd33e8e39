"""`services`: all services on sale at one customer's prices, cached until any of them changes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2s
from typing import NamedTuple

import structlog
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse

from catalog.catalog_version import catalog_version
from catalog.models.services import highest_quantity, lowest_quantity
from catalog.prices.customer_prices import CustomerTerms, terms_of
from catalog.selectors import SHELF_ORDER, services_on_sale
from catalog.service_types import SPECS
from panel.accounts.models import User
from panel.lib.compression import accepts_gzip
from panel.lib.money import format_plain

log = structlog.get_logger(__name__)

# Increase with every change to the rows' shape: a newer release must not serve what an older one cached.
SHAPE = 2
# Not needed for correctness: it only limits how long lists of old versions stay in the cache.
KEPT_SECONDS = 300
# Of gzip: higher levels save a tenth of the bytes for twice the time.
LEVEL = 3

_COLUMNS = (
    "pk",
    "name",
    "description",
    "category__name",
    "upstream__type",
    "upstream__refill",
    "upstream__cancel",
    "upstream__min_quantity",
    "upstream__max_quantity",
    "upstream__quantity_step",
    "min_quantity",
    "max_quantity",
    "refill_days",
    "cost",
    "price",
    "allow_below_minimum",
)


class _Row(NamedTuple):
    """A service as `_COLUMNS`: ten thousand model instances would take ten times as long to read."""

    pk: int
    name: str
    description: str
    category: str
    type: str
    refill: bool
    cancel: bool
    upstream_min: int
    upstream_max: int
    step: int | None
    own_min: int | None
    own_max: int | None
    refill_days: int | None
    cost: int
    price: int
    allow_below_minimum: bool


@dataclass(frozen=True, slots=True)
class PriceList:
    """A JSON array in UTF-8, compressed with gzip."""

    gzipped: bytes

    def plain(self) -> bytes:
        return gzip.decompress(self.gzipped)

    def response(self, request: HttpRequest) -> HttpResponse:
        """Return the response, compressed if the client accepts gzip."""
        takes_gzip = accepts_gzip(request.headers.get("Accept-Encoding", ""))
        found = HttpResponse(self.gzipped if takes_gzip else self.plain(), content_type="application/json")
        if takes_gzip:
            found["Content-Encoding"] = "gzip"
        found["Vary"] = "Accept-Encoding"
        return found


def price_list(*, customer: User) -> PriceList:
    """Return what the customer can order now with their prices, in shelf order, as `services` of API v2.

    Three queries while nothing changes, five after a change. Customers with the same terms share a list. Without a
    cache, the list is built each time.
    """
    # 1. The version first: a list read during a change may be newer than its key, never older.
    version = catalog_version()
    terms = terms_of(customer=customer)
    key = _key(version, terms)
    # 2. The cached list for the same terms and version.
    kept = _kept(key) if version else None
    if kept is not None:
        return PriceList(kept)
    # 3. What is on sale now. During a change it may belong to the next version: nobody requests this one again.
    found = _build(terms)
    if version and version == catalog_version():
        _keep(key, found)
    return PriceList(found)


def _key(version: str | None, terms: CustomerTerms) -> str:
    """Return a key made from everything that determines the list."""
    parts = (SHAPE, version, terms.discount_bp, tuple(terms.panel), sorted(terms.own.items()))
    return f"price-list:{blake2s(repr(parts).encode()).hexdigest()}"


def _kept(key: str) -> bytes | None:
    try:
        kept = caches["price_lists"].get(key)
    except Exception as error:  # Each cache raises its own errors, and none may fail the request.
        log.warning("price list not read from the cache", error=repr(error))
        return None
    return kept if isinstance(kept, bytes) else None


def _keep(key: str, found: bytes) -> None:
    try:
        caches["price_lists"].set(key, found, KEPT_SECONDS)
    except Exception as error:
        log.warning("price list not kept in the cache", error=repr(error))


def _build(terms: CustomerTerms) -> bytes:
    rows = services_on_sale().order_by(*SHELF_ORDER).values_list(*_COLUMNS)
    listed = list(_listed((_Row(*row) for row in rows), terms))
    text = json.dumps(listed, ensure_ascii=False, separators=(",", ":"))
    return gzip.compress(text.encode(), LEVEL, mtime=0)


def _listed(rows: Iterator[_Row], terms: CustomerTerms) -> Iterator[dict[str, object]]:
    """Yield the rows that can be ordered, in the protocol's form."""
    for row in rows:
        spec = SPECS[row.type]
        low, high = 1, 1  # A package is one, whatever its limits say.
        if not spec.is_package:
            low = lowest_quantity(row.upstream_min, row.own_min, row.step)
            high = highest_quantity(row.upstream_max, row.own_max, row.step)
        price = terms.price_of(row)
        if price <= 0 or high < low:
            continue
        yield {
            "service": row.pk,
            "name": row.name,
            "type": spec.wire,
            "category": row.category,
            "rate": format_plain(price),
            "min": str(low),
            "max": str(high),
            **({"step": str(row.step)} if row.step and not spec.is_package else {}),
            "refill": row.refill and row.refill_days != 0,
            "cancel": row.cancel,
            "dripfeed": spec.drips,
            "desc": row.description,
        }
