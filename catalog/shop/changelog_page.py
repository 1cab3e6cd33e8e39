"""One page of changes in the shop, as one customer or a visitor sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from catalog.models import ShelfNews
from catalog.prices.customer_prices import Offer, offers_for
from catalog.shop.changelog import NEWS_BADGES, latest_news
from panel.accounts.signed_in import AnyUser
from panel.lib.formats import change_text
from panel.lib.keyset_pagination import KeysetPage, page_of

ROWS = 50


@dataclass(frozen=True, slots=True)
class NewsLine:
    """A change of a list price, with the customer's current offer; None if the service is not sold now."""

    news: ShelfNews
    offer: Offer | None

    @property
    def percent(self) -> str:
        """Return the change in percent; "" if the price did not change."""
        old, new = self.news.old_price, self.news.new_price
        return change_text(old=old, new=new) if old and new and old != new else ""

    @property
    def was(self) -> int | None:
        """Return the old price if the customer pays the list price of this change; else None."""
        if not self.percent or self.offer is None or self.offer.price != self.news.new_price:
            return None
        return self.news.old_price


@dataclass(frozen=True, slots=True)
class NewsChoice:
    """A filter: its URL, and whether it is on."""

    label: str
    picture: str
    address: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class NewsPage:
    page: KeysetPage
    lines: list[NewsLine]
    kind: str
    favorites: bool

    @property
    def kinds(self) -> list[NewsChoice]:
        shown = [("", _("All"), ""), *((kind, _(kind.label), NEWS_BADGES[kind][1]) for kind in ShelfNews.Kind)]
        return [
            NewsChoice(label, picture, _address(kind, self.favorites), kind == self.kind)
            for kind, label, picture in shown
        ]

    @property
    def only_favorites(self) -> NewsChoice:
        """Return the filter for favorites; its URL toggles it."""
        return NewsChoice(_("Favorites"), "star", _address(self.kind, not self.favorites), self.favorites)


def _address(kind: str, favorites: bool) -> str:
    asked = {"kind": kind, "favorites": "1" if favorites else ""}
    return "?" + urlencode({name: value for name, value in asked.items() if value})


def find_news(*, params: Mapping[str, str], customer: AnyUser) -> NewsPage:
    """Return the page for the parameters `kind`, `favorites` and the page's position. Ignore invalid values."""
    kind = params.get("kind", "")
    kind = kind if kind in ShelfNews.Kind.values else ""
    favorites = params.get("favorites") == "1" and customer.is_authenticated
    page = page_of(latest_news(kind=kind, favorites=favorites, customer=customer), params=params, size=ROWS)
    sold = [news.service for news in page.rows if news.is_sold]  # type: ignore[attr-defined]
    offers = {offer.service.pk: offer for offer in offers_for(customer=customer, services=sold)}
    return NewsPage(page, [NewsLine(news, offers.get(news.service_id)) for news in page.rows], kind, favorites)
