"""Which state of the catalog is the current one."""

from __future__ import annotations

from django.db import models


class CatalogVersion(models.Model):
    """A change of what is listed, by its random token. Written by triggers, and by nothing else.

    All rows together are the version: each transaction that changes the catalog leaves one and takes away those it
    finds, so that there is one, or as many as committed at the same moment. A counter would come back after a
    restored backup, with what a shared cache still holds of the days since.
    """

    token = models.CharField(max_length=32)

    def __str__(self) -> str:
        return self.token
