"""What a customer may ask for: pure checks of link, quantity and comments against a service.

Every refusal names the field it belongs to and speaks to the customer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from catalog.models import Service
from catalog.types import SPECS

LONGEST_LINK = 2_000
LONGEST_COMMENTS = 100_000
_HANDLE = re.compile(r"@[\w.\-]{1,100}")
_DOMAIN = re.compile(r"(?=.{4,253}\Z)[\w\-]+(\.[\w\-]+)+", re.UNICODE)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


class OrderRefused(Exception):
    """The order cannot be placed as asked; nothing was charged. `field` is the form's, or ""."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class BadLink(OrderRefused):
    pass


class BadQuantity(OrderRefused):
    pass


class BadComments(OrderRefused):
    pass


class NotOnSale(OrderRefused):
    pass


@dataclass(frozen=True, slots=True)
class Wish:
    """A checked order: `params` holds what the type asks for beyond link and quantity, in wire form."""

    link: str
    quantity: int
    params: dict[str, str]


def check_wish(*, service: Service, link: str, quantity: int | None, comments: str) -> Wish:
    """Raises OrderRefused. The quantity of a comment type is the number of its non-empty lines."""
    if service.type not in SPECS:
        raise NotOnSale("This service cannot be ordered here.", field="service")
    checked = check_link(link)
    amount, params = check_amount(service=service, quantity=quantity, comments=comments)
    return Wish(checked, amount, params)


def check_amount(*, service: Service, quantity: int | None, comments: str) -> tuple[int, dict[str, str]]:
    """The quantity, and what the type asks for beyond it. Raises BadQuantity and BadComments."""
    spec = SPECS[service.type]
    params: dict[str, str] = {}
    amount = 1
    if spec.lines:
        lines = comment_lines(comments)
        if not lines:
            raise BadComments("Write at least one comment, one on each line.", field="comments")
        params[spec.lines] = "\n".join(lines)
        amount = 1 if spec.is_package else len(lines)
    elif spec.takes_quantity:
        if quantity is None:
            raise BadQuantity("Enter a quantity.", field="quantity")
        amount = quantity
    if not spec.is_package:
        _check_range(service, amount, by_lines=bool(spec.lines))
    return amount, params


def _check_range(service: Service, quantity: int, *, by_lines: bool) -> None:
    low, high = service.lowest_quantity, service.highest_quantity
    if low <= quantity <= high:
        return
    if by_lines:
        raise BadComments(
            f"Write {low:,} to {high:,} comments, one on each line; these are {quantity:,}.",
            field="comments",
        )
    raise BadQuantity(f"Order between {low:,} and {high:,} of this service.", field="quantity")


def check_link(link: str) -> str:
    """The link without surrounding space: an http(s) address, an address without a scheme, or an @name."""
    link = link.strip()
    if not link:
        raise BadLink("Enter the link to deliver to.", field="link")
    if len(link) > LONGEST_LINK:
        raise BadLink(f"This link is too long: {LONGEST_LINK:,} characters at most.", field="link")
    if _UNPRINTABLE.search(link) or any(character.isspace() for character in link):
        raise BadLink("A link has no spaces or invisible characters. Copy it again.", field="link")
    if not _HANDLE.fullmatch(link) and not _looks_like_address(link):
        raise BadLink("This is no link. Copy the full address, such as https://example.com/page.", field="link")
    return link


def _looks_like_address(link: str) -> bool:
    scheme, separator, _ = link.partition("://")
    if separator and scheme.lower() not in ("http", "https"):
        return False
    try:
        parts = urlsplit(link if separator else f"https://{link}")
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return False
    return "@" not in parts.netloc and _DOMAIN.fullmatch(host) is not None


def comment_lines(comments: str) -> list[str]:
    """The non-empty lines, trimmed. Raises BadComments for characters that no provider can take."""
    if len(comments) > LONGEST_COMMENTS:
        raise BadComments(f"These comments are too long: {LONGEST_COMMENTS:,} characters at most.", field="comments")
    # Also what Unicode calls line ends: a provider that splits there would bill more lines than were paid.
    lines = [line.strip() for line in re.split("\r\n|[\r\n\x85\u2028\u2029]", comments)]
    lines = [line for line in lines if line]
    for number, line in enumerate(lines, start=1):
        if re.search(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]", line):
            raise BadComments(f"Line {number} holds an invisible character. Type it again.", field="comments")
    return lines


def add_params(
    *, service_type: str, upstream_service_id: str, link: str, quantity: int, params: dict[str, str]
) -> dict[str, str]:
    """The parameters of `add` for the wire (protocol: "add, by service type")."""
    spec = SPECS[service_type]
    wire = {"service": upstream_service_id, "link": link}
    if spec.takes_quantity:
        wire["quantity"] = str(quantity)
    return {**wire, **params}
