"""The version of the catalog."""

from __future__ import annotations

from django.db import models


class CatalogVersion(models.Model):
    """A random token for a change of the catalog. Written only by triggers.

    All rows together are the version. Each transaction that changes the catalog adds one row and deletes those it
    finds; several rows remain if several transactions commit at the same moment. A counter would not do: a restored
    backup would repeat numbers for which a shared cache still holds newer data.
    """

    token = models.CharField(max_length=32)

    def __str__(self) -> str:
        return self.token
