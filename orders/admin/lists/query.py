"""The filters of the staff's list of orders as a query string that can be kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, QueryDict

from orders.admin.filters import (
    AgeFilter,
    ApiKeyFilter,
    CategoryFilter,
    CustomerFilter,
    DaysFilter,
    OrderFilter,
    ProviderFilter,
    ServiceFilter,
    SourceFilter,
    StatusFilter,
    ViewFilter,
)
from orders.admin.lists.saved_views import ViewRefused
from orders.models import Order
from panel.lib.digits import whole_number

FILTERS = (
    *(ViewFilter, StatusFilter, ProviderFilter, ServiceFilter, CategoryFilter, CustomerFilter, SourceFilter),
    *(AgeFilter, DaysFilter, ApiKeyFilter),
)
PLACES = ("after", "before")
# Parameters that say where one is in the list, and filter nothing: the page, the saved view, a name to save one under.
NO_FILTERS = (*PLACES, "saved", "naming")
# Filters that pages of other objects link to, each by a number.
_BY_NUMBER = ("customer__id__exact", "drip_feed__id__exact", "api_key_ref")


def query_of(params: Mapping[str, str]) -> str:
    """Return the filters and the search among the parameters of an address, always in one order."""
    return urlencode(sorted((name, value) for name, value in params.items() if value and name not in NO_FILTERS))


def checked_query(request: HttpRequest, text: str, model_admin: Any) -> str:
    """Return the filters of a query string in their one order. Raise ViewRefused if one is not what it can be."""
    given = {name: str(value) for name, value in QueryDict(text).items() if value and name not in NO_FILTERS}
    left: dict[str, list[str]] = {name: [value] for name, value in given.items() if name != "q"}
    for filter_class in FILTERS:
        spec = filter_class(request, left, Order, model_admin)
        if isinstance(spec, OrderFilter) and spec.is_wrong:
            raise ViewRefused(f"The filter “{spec.title}” is set to what is not there. Choose another first.")
    if "api_key_ref" in given:
        left["api_key_ref"] = [given["api_key_ref"]]
    for name, [value] in left.items():
        if name not in _BY_NUMBER or whole_number(value) is None:
            raise ViewRefused(f"The filter “{name}” cannot be saved. Remove it first.")
    return query_of(given)
