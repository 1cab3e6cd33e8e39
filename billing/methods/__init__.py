"""Payment methods, behind one small interface: each module of this package that ends with `register(…)`.

A gateway is one module: its form, where the browser goes to pay, and a view of its own (in `urls`, served under
`/wallet/pay/<code>/`) that the provider calls. The view verifies that the call is genuine, then calls
`billing.deposits.confirm_payment`, which credits once however often it is called.
"""

from __future__ import annotations

import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib import import_module
from typing import ClassVar

from django.urls import URLPattern, URLResolver, include, path
from django.utils.translation import gettext_noop as _

from billing.forms import DepositForm
from billing.models import Deposit, PaymentMethod


class MethodFailed(Exception):
    """The gateway is unavailable. The message is for the customer; the deposit is unchanged."""


class Method(ABC):
    """One way to pay. The owner may offer it several times, with different names and limits."""

    # Stored in `PaymentMethod.kind`; never change it once it was used.
    code: ClassVar[str]
    # The name in the owner's choice of methods.
    label: ClassVar[str]
    button: ClassVar[str] = _("Go on to pay")
    form: ClassVar[type[DepositForm]] = DepositForm
    # The payer writes our reference, which is known once the request was sent.
    has_reference: ClassVar[bool] = False
    # The customer says when they have paid, and staff decide.
    is_by_hand: ClassVar[bool] = False
    # Sites to which `begin` may redirect, such as "https://pay.example.com"; the browser blocks all others.
    origins: ClassVar[Sequence[str]] = ()
    urls: ClassVar[Sequence[URLPattern]] = ()
    # Its own columns of PaymentMethod that say where money goes: their changes are confirmed, and told to all owners.
    destination: ClassVar[Sequence[str]] = ()
    # Those of them that are never shown.
    secrets: ClassVar[Sequence[str]] = ()

    def is_set_up(self, offered: PaymentMethod) -> bool:
        """Return True if customers can pay by it. Reads nothing."""
        return True

    def origins_of(self, offered: PaymentMethod) -> Sequence[str]:
        """Return `origins`, where they depend on how the owner set it up. Reads nothing."""
        return self.origins

    @abstractmethod
    def begin(self, deposit: Deposit) -> str:
        """Return the address where the customer pays this deposit. Raise MethodFailed."""


_METHODS: dict[str, Method] = {}


def register(method: Method) -> None:
    """Register a payment method by its code."""
    _METHODS[method.code] = method


def methods() -> dict[str, Method]:
    """Return every known payment method by code."""
    for module in pkgutil.iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
    return _METHODS


def method_of(offered: PaymentMethod) -> Method:
    """Return the method behind `offered`. Raise KeyError if its module was removed."""
    return methods()[offered.kind]


def has_reference(offered: PaymentMethod) -> bool:
    """Return True if the payer writes our reference with the payment."""
    method = methods().get(offered.kind)
    return method is not None and method.has_reference


def is_by_hand(offered: PaymentMethod) -> bool:
    """Return True if the customer says that they have paid, and staff decide."""
    method = methods().get(offered.kind)
    return method is not None and method.is_by_hand


def offered_methods() -> list[PaymentMethod]:
    """Return the methods that customers may choose from, in the owner's order."""
    offered = PaymentMethod.objects.filter(is_active=True, kind__in=methods())
    return [one for one in offered if method_of(one).is_set_up(one)]


def method_urls() -> list[URLResolver]:
    """Return the routes of the gateways' own views."""
    return [path(f"pay/{code}/", include(list(one.urls))) for code, one in methods().items() if one.urls]
