"""What the panel needs to know of a gateway: create an invoice, read what was paid, and check that a call is genuine.

A gateway is one module of `doors`, which ends with `register(…)`: see docs/payments/writing-a-door.md. It speaks to its
server and translates; it never touches the database, and money least of all.
"""

from __future__ import annotations

import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from importlib import import_module
from typing import ClassVar

from billing.intake.calls import Call


class GatewayError(Exception):
    """No answer, or one that says nothing: whatever was asked may have happened. The message is for staff."""


class GatewayRefused(Exception):
    """A clear no: nothing happened. The message is for staff."""


class Effect(Enum):
    """What a payment's status means for money."""

    CREDIT = "credit"  # it is there, all of `came_in`
    WAIT = "wait"  # on its way, or a part that the gateway does not count yet
    NEVER = "never"  # nothing came, or it vanished before it was credited
    HOLD = "hold"  # it is there, and a person decides
    REVERSE = "reverse"  # it was there, and the gateway took it back


class Repair(Enum):
    """What can be done when the answer to `create` was lost."""

    CREATE = "create"  # creating again with the same reference returns the invoice that exists
    LOOK_UP = "look up"  # it can be searched for by our reference
    NONE = "none"  # it cannot be found: leave it to expire, and never create a second one


@dataclass(frozen=True, slots=True)
class Asked:
    """An invoice as a gateway is asked for it. `amount` is in micro-units of `currency`.

    `option` is the code of the option that the customer chose. `told` are ids of further payments for the invoice that
    genuine calls named.
    """

    our_ref: str
    external_id: str
    amount: int
    currency: str
    customer_ref: str
    callback_url: str
    return_url: str
    option: str = ""
    told: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Created:
    """An invoice that a gateway keeps. `details` are shown to the customer, by name, as the gateway wrote them."""

    external_id: str
    url: str
    expires_at: datetime | None = None
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seen:
    """A payment as the gateway counts it: `came_in` micro-units of `currency` in all, under its own id."""

    external_id: str
    came_in: int
    currency: str
    effect: Effect
    words: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a gateway says of an invoice now. `is_over`: it waits for no more money.

    `problems` are sentences for staff about what does not belong together; nothing of that is among `seen`.
    """

    our_ref: str
    seen: Sequence[Seen]
    is_over: bool = False
    details: Mapping[str, str] = field(default_factory=dict)
    problems: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """A payment in the gateway's own list. `our_ref` is "" where the list does not name it; `at` is its time there."""

    seen: Seen
    our_ref: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """What a genuine call is about: an invoice, by our reference or the gateway's id. `call_id`: the message's own.

    `url` is where that invoice is paid, if the call says so. One that is about something else `is_ignored`.
    `payment_id` is a further payment for the invoice, one that reading the invoice does not find by itself.
    """

    call_id: str
    our_ref: str = ""
    external_id: str = ""
    url: str = ""
    is_test: bool = False
    is_ignored: bool = False
    payment_id: str = ""


@dataclass(frozen=True, slots=True)
class Credential:
    """A field of the set-up. Secrets are never shown again.

    `clean` returns what is stored for what was typed; it raises ValueError with words for the owner.
    """

    name: str
    label: str
    help: str = ""
    is_secret: bool = True
    is_required: bool = True
    clean: Callable[[str], str] = str


Credentials = Mapping[str, str]
# The credential that is there while the method is a sandbox. Nobody types it.
SANDBOX = "sandbox"


@dataclass(frozen=True, slots=True)
class Option:
    """What a customer chooses on our page before paying: a coin on a network.

    `minimum` is the smallest amount in micro-units of the panel's currency, 0 if it is not known.
    """

    code: str
    label: str
    network: str = ""
    minimum: int = 0


class Gateway(ABC):
    """A gateway's protocol. Every method may raise GatewayError; those that ask for something GatewayRefused, too."""

    code: ClassVar[str]
    label: ClassVar[str]
    credentials: ClassVar[Sequence[Credential]]
    repair: ClassVar[Repair]
    # Sites to which the customer is sent to pay; the browser blocks all others.
    origins: ClassVar[Sequence[str]] = ()
    # It can list what was paid, so that a day can be reconciled.
    can_list: ClassVar[bool] = False
    # It can be asked to call us as if something had been paid.
    sends_tests: ClassVar[bool] = False
    # The customer chooses one of its `options` before the invoice is created.
    has_options: ClassVar[bool] = False
    # What the owner does with the address of our webhook, and the document about the set-up.
    webhook_help: ClassVar[str] = "If it asks for an address to call when a payment comes in, give it this one."
    manual: ClassVar[str] = ""

    def origins_for(self, credentials: Credentials) -> Sequence[str]:
        """Return `origins`, where they depend on the credentials. Asks nobody."""
        return self.origins

    @abstractmethod
    def create(self, asked: Asked, credentials: Credentials) -> Created:
        """Create the invoice."""

    def look_up(self, asked: Asked, credentials: Credentials) -> Created | None:
        """Return the invoice with our reference, None if there is none. For Repair.LOOK_UP."""
        raise NotImplementedError

    @abstractmethod
    def read(self, asked: Asked, credentials: Credentials) -> Reading:
        """Return what was paid for the invoice."""

    @abstractmethod
    def verify(self, call: Call, credentials: Credentials) -> Told:
        """Return what a call is about. Raise `panel.lib.signatures.BadSignature` if it is not genuine."""

    def hint(self, call: Call) -> str:
        """Return the gateway's id of the invoice that a call seems to be about, which is not known to be genuine.

        "" if none. Never raises. The invoice is read once in a while for such calls, and nothing else follows.
        """
        return ""

    def options(self, currency: str, credentials: Credentials) -> Sequence[Option]:
        """Return what customers may choose now. It is asked in the background, and kept. For `has_options`."""
        raise NotImplementedError

    @abstractmethod
    def check(self, credentials: Credentials) -> str:
        """Return a sentence that says that the credentials work."""

    def list_payments(self, begin: datetime, end: datetime, credentials: Credentials) -> Sequence[Listed]:
        """Return what its list says from `begin` to before `end`, each payment once, of any effect. For `can_list`."""
        raise NotImplementedError

    def send_test(self, callback_url: str, credentials: Credentials) -> str:
        """Have it send a test call to us; return a sentence that says so. For `sends_tests`."""
        raise NotImplementedError


_GATEWAYS: dict[str, Gateway] = {}


def register(gateway: Gateway) -> None:
    """Register a gateway by its code."""
    _GATEWAYS[gateway.code] = gateway


def gateways() -> dict[str, Gateway]:
    """Return every known gateway by code."""
    doors = import_module("billing.intake.doors")
    for module in pkgutil.iter_modules(doors.__path__):
        import_module(f"{doors.__name__}.{module.name}")
    return _GATEWAYS


def gateway_of(code: str) -> Gateway:
    """Return the gateway. Raise KeyError if its module was removed."""
    return gateways()[code]
