"""The shop that customers see: services on sale, what changed among them, favorites.

Read only but for favorites. Prices come from `catalog.prices`.
"""
