"""The shop that customers see: services on sale, changes among them, favorites.

Read-only except for favorites. Prices come from `catalog.prices`.
"""
