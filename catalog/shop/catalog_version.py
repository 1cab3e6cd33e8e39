"""The version of the catalog: what is worked out from its tables may be kept for as long as it is the same."""

from __future__ import annotations

from hashlib import blake2s

from catalog.models import CatalogVersion


def catalog_version() -> str | None:
    """32 characters that stand for the committed services, upstream services, categories and which providers are on,
    in one query; None where nobody can tell, and nothing may be kept.

    They change in the transaction that changes any of these, and never come back. Read them before the rows: what
    is read after them can only be newer.
    """
    tokens = list(CatalogVersion.objects.order_by("pk").values_list("token", flat=True))
    return blake2s("".join(tokens).encode(), digest_size=16).hexdigest() if tokens else None
