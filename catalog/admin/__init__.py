"""Admin pages of the catalog. Each module registers its own."""

from catalog.admin import (
    categories,
    customers,
    imports,
    inbox,
    margins,
    price_changes,
    providers,
    refill_windows,
    type_words,
)
from catalog.admin.services import pages as services

__all__ = (
    "categories",
    "customers",
    "imports",
    "inbox",
    "margins",
    "price_changes",
    "providers",
    "refill_windows",
    "services",
    "type_words",
)
