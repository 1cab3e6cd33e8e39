"""The catalog in the admin. Each module registers its pages."""

from catalog.admin import categories, customers, imports, inbox, margins, price_changes, providers
from catalog.admin.services import pages as services

__all__ = ("categories", "customers", "imports", "inbox", "margins", "price_changes", "providers", "services")
