"""The catalog in the admin. Each module registers its pages."""

from catalog.admin import categories, customers, imports, inbox, margins, price_changes, providers, services

__all__ = ("categories", "customers", "imports", "inbox", "margins", "price_changes", "providers", "services")
