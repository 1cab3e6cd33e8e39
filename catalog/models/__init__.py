"""Models of the catalog; each module has one subject."""

from catalog.models.imports import CatalogChange, SyncRun
from catalog.models.prices import CustomerGroup, CustomerPrice, GroupMember, PriceChange
from catalog.models.providers import MAX_BP, OnRise, PricePolicy, Provider, ProviderFigures, ProviderPace
from catalog.models.services import Category, PastRate, Service, ServiceFigures, UpstreamService
from catalog.models.shop import Favourite, ShelfMark, ShelfNews
from catalog.models.type_words import TypeWord
from catalog.models.versions import CatalogVersion
from catalog.models.words import Meaning, ProviderWord

__all__ = (
    "MAX_BP",
    "CatalogChange",
    "CatalogVersion",
    "Category",
    "CustomerGroup",
    "CustomerPrice",
    "Favourite",
    "GroupMember",
    "OnRise",
    "Meaning",
    "PastRate",
    "PriceChange",
    "PricePolicy",
    "Provider",
    "ProviderFigures",
    "ProviderWord",
    "ProviderPace",
    "Service",
    "ServiceFigures",
    "ShelfMark",
    "ShelfNews",
    "SyncRun",
    "TypeWord",
    "UpstreamService",
)
