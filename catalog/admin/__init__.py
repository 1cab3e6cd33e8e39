"""Admin pages of the catalog. Each module registers its own."""

from catalog.admin import categories, customers, imports, inbox, margins, price_changes, providers
from catalog.admin.services import pages as services

__all__ = ("categories", "customers", "imports", "inbox", "margins", "price_changes", "providers", "services")
