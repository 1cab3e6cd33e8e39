"""What an `add` must contain, by service type, and what it costs.

Pure: parameters and a service in, a checked order or a refusal in the protocol's words out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from panel.sandbox.amounts import share
from panel.sandbox.catalog import PACKAGE_TYPES, SandboxService

Params = Mapping[str, str]

# Fields besides link and quantity that a type needs, each a text that must not be empty.
_TEXTS: dict[str, tuple[str, ...]] = {
    "Default": (),
    "Package": (),
    "Custom Comments": ("comments",),
    "Custom Comments Package": ("comments",),
    "Mentions": ("usernames",),
    "Mentions with Hashtags": ("usernames", "hashtags"),
    "Mentions Hashtag": ("hashtag",),
    "Mentions Custom List": ("usernames",),
    "Mentions User Followers": ("username",),
    "Mentions Media Likers": ("media",),
    "Comment Likes": ("username",),
    "Comment Replies": ("username", "comments"),
    "Poll": ("answer_number",),
    "Invites from Groups": ("groups",),
    "SEO": ("keywords",),
    "Web Traffic": ("country", "device", "type_of_traffic"),
}
# Types whose quantity is the number of lines of a field.
_LINES = {
    "Custom Comments": "comments",
    "Comment Replies": "comments",
    "Mentions Custom List": "usernames",
}
_MAX_LINK = 2_000


class OrderRejected(Exception):
    """The provider refuses; the text is the protocol's error."""


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order that passed the checks.

    `quantity` counts all runs of a drip-feed; `charge` is in micro-units; `params` are kept as received.
    """

    service: int
    type: str
    link: str
    quantity: int
    charge: int
    params: dict[str, str]


def accept_order(service: SandboxService, params: Params) -> NewOrder:
    """Return the order that these parameters describe. Raise OrderRejected if the provider would not accept it."""
    if service.type == "Subscriptions":
        return _check_subscription(service, params)
    link = params.get("link", "").strip()
    if not link or len(link) > _MAX_LINK or any(c.isspace() for c in link):
        raise OrderRejected("Bad link")
    for name in _TEXTS.get(service.type, ()):
        if not params.get(name, "").strip():
            raise OrderRejected(f"Incorrect {name.replace('_', ' ')}")
    if service.type == "Poll" and _integer(params.get("answer_number", "")) in (None, 0):
        raise OrderRejected("Incorrect answer number")
    if service.type == "Web Traffic":
        _check_traffic(params)

    if service.type in PACKAGE_TYPES:
        return _new(service, params, link=link, quantity=1, charge=service.rate)
    if service.type in _LINES:
        lines = params[_LINES[service.type]].splitlines()
        quantity = sum(1 for line in lines if line.strip())
    else:
        quantity = _required_integer(params, "quantity")
    _check_limits(service, quantity)
    total = quantity * _runs(service, params)
    return _new(service, params, link=link, quantity=total, charge=share(service.rate, total, 1000))


def _new(service: SandboxService, params: Params, *, link: str, quantity: int, charge: int) -> NewOrder:
    return NewOrder(service.id, service.type, link, quantity, charge, dict(params))


def _check_subscription(service: SandboxService, params: Params) -> NewOrder:
    """Return a subscription, charged up front for `max` on each of `posts` new posts; no `posts` counts as one."""
    username = params.get("username", "").strip()
    if not username or any(c.isspace() for c in username):
        raise OrderRejected("Incorrect username")
    low, high = _required_integer(params, "min"), _required_integer(params, "max")
    if low < service.min:
        raise OrderRejected(f"Quantity less than minimal {service.min}")
    if high > service.max:
        raise OrderRejected(f"Quantity more than maximum {service.max}")
    if low > high:
        raise OrderRejected("Incorrect min")
    _required_integer(params, "delay")
    posts = _required_integer(params, "posts") if params.get("posts") else 1
    quantity = high * max(1, posts)
    charge = share(service.rate, quantity, 1000)
    return _new(service, params, link=username, quantity=quantity, charge=charge)


def _check_limits(service: SandboxService, quantity: int) -> None:
    if quantity < service.min:
        raise OrderRejected(f"Quantity less than minimal {service.min}")
    if quantity > service.max:
        raise OrderRejected(f"Quantity more than maximum {service.max}")


def _runs(service: SandboxService, params: Params) -> int:
    if service.type != "Default" or not (params.get("runs") or params.get("interval")):
        return 1
    runs, interval = _integer(params.get("runs", "")), _integer(params.get("interval", ""))
    if not service.dripfeed or not runs or runs > 1_000:
        raise OrderRejected("Incorrect runs")
    if not interval:
        raise OrderRejected("Incorrect interval")
    return runs


def _check_traffic(params: Params) -> None:
    """Check the visits by type: 1 from a search, 2 from a page, 3 with no referrer. Raise OrderRejected."""
    kind = params["type_of_traffic"].strip()
    if kind not in {"1", "2", "3"}:
        raise OrderRejected("Incorrect type of traffic")
    if kind == "1" and not params.get("google_keyword", "").strip():
        raise OrderRejected("Incorrect google keyword")
    if kind == "2" and not params.get("referring_url", "").strip():
        raise OrderRejected("Incorrect referring url")


def _required_integer(params: Params, name: str) -> int:
    value = _integer(params.get(name, ""))
    if value is None:
        raise OrderRejected(f"Incorrect {name}")
    return value


def _integer(text: str) -> int | None:
    """Return a number of at most ten digits, as a provider's form reads it, else None."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else None
