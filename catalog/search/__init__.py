"""Find services on sale by what people type: words in any language, short names, typing mistakes, numbers, links."""

from __future__ import annotations

from catalog.search.find import SearchResult, find_service_ids

__all__ = ["SearchResult", "find_service_ids"]
