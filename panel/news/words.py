"""An item in words, as text for mails and as HTML for pages, and where it leads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from billing.models import Deposit, Entry
from catalog.models import ShelfNews
from orders.states import RefillState, Status
from panel.lib.formats import change_text, percent_text
from panel.lib.money import BASIS, format_money
from panel.news.models import NewsItem, NewsKind

# Color and icon of each kind, and of words that say more.
_LOOKS: dict[str, tuple[str, str]] = {
    NewsKind.ORDER_ENDED: ("success", "check-circle"),
    Status.PARTIAL: ("warning", "pie-chart"),
    Status.CANCELED: ("danger", "x-circle"),
    NewsKind.REFUNDED: ("info", "arrow-counterclockwise"),
    NewsKind.REFILL_ENDED: ("success", "droplet"),
    RefillState.REJECTED: ("danger", "x-circle"),
    RefillState.REFUSED: ("danger", "x-circle"),
    NewsKind.ORDER_OFFERED: ("info", "arrow-repeat"),
    NewsKind.DEPOSIT_DECIDED: ("success", "wallet2"),
    NewsKind.LEVEL_UP: ("success", "arrow-up-right"),
    ShelfNews.Kind.CHEAPER: ("success", "arrow-down-right"),
    ShelfNews.Kind.DEARER: ("warning", "arrow-up-right"),
}


@dataclass(frozen=True, slots=True)
class NewsLine:
    """One item. `sentence` names its `values`, which are foreign texts, numbers and amounts."""

    item: NewsItem
    sentence: str
    values: Mapping[str, str]
    path: str

    @property
    def text(self) -> str:
        """Return the sentence on one line."""
        return " ".join((self.sentence % self.values).split())

    @property
    def html(self) -> SafeString:
        """Return the sentence with each value isolated from the direction of its text."""
        values = {name: format_html("<bdi>{}</bdi>", value) for name, value in self.values.items()}
        return mark_safe(escape(self.sentence) % values)  # noqa: S308  (both were escaped)

    @property
    def address(self) -> str:
        return f"{settings.SITE_URL}{self.path}"

    @property
    def look(self) -> tuple[str, str]:
        return _LOOKS.get(self.item.word) or _LOOKS[self.item.kind]


def line_of(item: NewsItem) -> NewsLine:
    """Return the item in words."""
    values = {
        "count": f"{item.count:,}",
        "number": str(item.number or ""),
        "name": item.name,
        "amount": format_money(item.amount or 0, settings.PANEL_CURRENCY),
        "discount": percent_text(item.change_bp),
        "change": change_text(old=BASIS, new=BASIS + item.change_bp) if item.change_bp else "",
    }
    return NewsLine(item, _sentence(item), values, _path(item))


def _sentence(item: NewsItem) -> str:
    if item.kind == NewsKind.ORDER_ENDED:
        return _of_orders(item)
    if item.kind == NewsKind.REFUNDED:
        return _of_refunds(item)
    if item.kind == NewsKind.REFILL_ENDED:
        return _of_refills(item)
    if item.kind == NewsKind.ORDER_OFFERED:
        return _of_offers(item)
    if item.kind == NewsKind.DEPOSIT_DECIDED:
        if item.word == Deposit.State.APPROVED:
            return _("%(amount)s was added to your wallet.")
        return _("Your request to add %(amount)s was refused.")
    if item.kind == NewsKind.LEVEL_UP:
        return _of_levels(item)
    return _of_prices(item)


def _of_orders(item: NewsItem) -> str:
    if item.number is not None:
        return {
            Status.COMPLETED: _("Order %(number)s was completed: %(name)s"),
            Status.PARTIAL: _("Order %(number)s was delivered in part: %(name)s"),
        }.get(Status(item.word), _("Order %(number)s was canceled: %(name)s"))
    return {
        Status.COMPLETED: ngettext("%(count)s order was completed.", "%(count)s orders were completed.", item.count),
        Status.PARTIAL: ngettext(
            "%(count)s order was delivered in part.", "%(count)s orders were delivered in part.", item.count
        ),
    }.get(
        Status(item.word),
        ngettext("%(count)s order was canceled.", "%(count)s orders were canceled.", item.count),
    )


def _of_refunds(item: NewsItem) -> str:
    if item.number is not None:
        return _("%(amount)s was refunded for order %(number)s.")
    if item.count == 1:
        return _("%(amount)s was refunded for a drip-feed.")
    return _("%(amount)s was refunded for %(count)s orders.")


def _of_refills(item: NewsItem) -> str:
    is_done = item.word == RefillState.COMPLETED
    if item.number is not None:
        if is_done:
            return _("The refill of order %(number)s was completed: %(name)s")
        return _("The refill of order %(number)s was refused: %(name)s")
    if is_done:
        return ngettext("%(count)s refill was completed.", "%(count)s refills were completed.", item.count)
    return ngettext("%(count)s refill was refused.", "%(count)s refills were refused.", item.count)


def _of_offers(item: NewsItem) -> str:
    if item.number is not None:
        return _("Our team offers to order %(number)s again, and nothing is charged before you confirm it: %(name)s")
    return ngettext(
        "Our team offers to order %(count)s canceled order again. Nothing is charged before you confirm it.",
        "Our team offers to order %(count)s canceled orders again. Nothing is charged before you confirm it.",
        item.count,
    )


def _of_levels(item: NewsItem) -> str:
    if item.change_bp:
        return _("You reached the level %(name)s: what you order now costs %(discount)s less than the list price.")
    return _("You reached the level %(name)s.")


def _of_prices(item: NewsItem) -> str:
    is_cheaper = item.word == ShelfNews.Kind.CHEAPER
    if item.number is not None:
        if is_cheaper:
            return _("A favorite of yours is cheaper now (%(change)s): %(name)s")
        return _("A favorite of yours costs more now (%(change)s): %(name)s")
    if is_cheaper:
        return ngettext("%(count)s favorite is cheaper now.", "%(count)s favorites are cheaper now.", item.count)
    return ngettext("%(count)s favorite costs more now.", "%(count)s favorites cost more now.", item.count)


def _path(item: NewsItem) -> str:
    """Return where the item is told in full."""
    if item.kind == NewsKind.DEPOSIT_DECIDED:
        return reverse("deposit_detail", args=[item.number])
    if item.kind == NewsKind.FAVOURITE_PRICE:
        return f"{reverse('service_changes')}?{urlencode({'kind': item.word, 'favorites': '1'})}"
    if item.kind == NewsKind.LEVEL_UP:
        return reverse("account")
    if item.number is not None:
        return reverse("order_detail", args=[item.number])
    if item.kind == NewsKind.ORDER_ENDED:
        return f"{reverse('order_list')}?{urlencode({'status': item.word})}"
    if item.kind == NewsKind.ORDER_OFFERED:
        return f"{reverse('order_list')}?{urlencode({'status': Status.CANCELED})}"
    if item.kind == NewsKind.REFUNDED:
        return f"{reverse('wallet')}?{urlencode({'kind': Entry.Kind.REFUND})}"
    return reverse("order_list")
