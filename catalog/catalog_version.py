"""The version of the catalog: data computed from its tables may be cached while the version stays the same."""

from __future__ import annotations

from hashlib import blake2s

from catalog.models import CatalogVersion


def catalog_version() -> str | None:
    """Return 32 characters that identify the committed state of the catalog, in one query; None if it is unknown.

    They cover services, upstream services, categories and which providers are active, change in the transaction that
    changes any of these, and never repeat. Without a version, cache nothing. Read it before the rows: rows read
    afterwards can only be newer.
    """
    tokens = list(CatalogVersion.objects.order_by("pk").values_list("token", flat=True))
    return blake2s("".join(tokens).encode(), digest_size=16).hexdigest() if tokens else None
