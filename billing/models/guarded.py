"""Models that only the ledger writes: their managers refuse everything else with a clear message.

The ledger writes through `save_base` and a plain `QuerySet`. A test over the code ensures that nothing else does; the
database refuses a wrong balance.
"""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn, TypeVar

from django.db import models

ONLY_WRITER = "billing/ledger.py"

T = TypeVar("T", bound=models.Model)


class LedgerOnly(Exception):
    """Code other than the ledger tried to write. Nothing was written."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: only {ONLY_WRITER} writes wallets and entries. To move money, call ledger.post().")


class GuardedQuerySet(models.QuerySet[T]):
    """A queryset that reads as usual. `create` and the like end in `save`, which the model refuses."""

    def update(self, **values: Any) -> int:
        """Update columns that hold no money (`free_columns` of the model). Raise LedgerOnly for others."""
        if held := sorted(values.keys() - getattr(self.model, "free_columns", ())):
            raise LedgerOnly(f"{self.model.__name__}: update of {', '.join(held)}")
        return super().update(**values)

    def bulk_create(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise LedgerOnly."""
        raise LedgerOnly(f"{self.model.__name__}: bulk_create")

    def delete(self) -> NoReturn:
        """Raise LedgerOnly."""
        raise LedgerOnly(f"{self.model.__name__}: delete")

    delete.queryset_only = True  # type: ignore[attr-defined]


class Guarded(models.Model):
    """A model that only the ledger writes. Fixtures still load; the database checks them."""

    free_columns: ClassVar[frozenset[str]] = frozenset()
    only_writer: ClassVar[str] = ONLY_WRITER

    objects = GuardedQuerySet.as_manager()

    class Meta:
        abstract = True
        base_manager_name = "objects"

    def save(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise LedgerOnly."""
        raise LedgerOnly(f"{type(self).__name__}.save()")

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise LedgerOnly."""
        raise LedgerOnly(f"{type(self).__name__}.delete()")
