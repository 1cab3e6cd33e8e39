"""Ways to pay, behind one small interface. Each module of this package that ends with `register(…)` is one.

A gateway is one module: its form, where the browser goes to pay, and a view of its own (in `urls`, found under
`/wallet/pay/<code>/`) that the provider calls. The view proves that the call is genuine, then calls
`billing.deposits.confirm_payment`, which credits once however often it is called.
"""

from __future__ import annotations

import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib import import_module
from typing import ClassVar

from django.urls import URLPattern, URLResolver, include, path

from billing.forms import DepositForm
from billing.models import Deposit, PaymentMethod


class MethodFailed(Exception):
    """The gateway cannot be reached now. The message is for the customer; the deposit stays as it is."""


class Method(ABC):
    """One way to pay. The owner may offer it several times, under names and with limits of their own."""

    # Stands in `PaymentMethod.kind`; never changed once it was used.
    code: ClassVar[str]
    # What the owner chooses it by.
    label: ClassVar[str]
    button: ClassVar[str] = "Go on to pay"
    form: ClassVar[type[DepositForm]] = DepositForm
    # Sites that `begin` may send the browser to, such as "https://pay.example.com": all others are blocked.
    origins: ClassVar[Sequence[str]] = ()
    urls: ClassVar[Sequence[URLPattern]] = ()

    @abstractmethod
    def begin(self, deposit: Deposit) -> str:
        """The address where the browser goes to pay this deposit. Raises MethodFailed."""


_METHODS: dict[str, Method] = {}


def register(method: Method) -> None:
    """Makes a way to pay known by its code."""
    _METHODS[method.code] = method


def methods() -> dict[str, Method]:
    """Every known way to pay, by code."""
    for module in pkgutil.iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
    return _METHODS


def method_of(offered: PaymentMethod) -> Method:
    """The way that the owner offers as `offered`. Raises KeyError when its module is gone."""
    return methods()[offered.kind]


def offered_methods() -> list[PaymentMethod]:
    """What customers may choose from, in the owner's order."""
    return list(PaymentMethod.objects.filter(is_active=True, kind__in=methods()))


def method_urls() -> list[URLResolver]:
    """The addresses of the gateways' own views."""
    return [path(f"pay/{code}/", include(list(one.urls))) for code, one in methods().items() if one.urls]
