"""Settings of the sign-in library that the owner changes while the panel runs, or that depend on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from allauth.core import context
from django.conf import settings
from django.db import Error

_as_set: ContextVar[bool] = ContextVar("_as_set", default=False)


@contextmanager
def verified_as_set() -> Iterator[None]:
    """Tell the library within what the owner set about confirming addresses, also where codes are sent."""
    token = _as_set.set(True)
    try:
        yield
    finally:
        _as_set.reset(token)


def setting(name: str, default: Any) -> Any:
    """Return a setting for allauth, which reads each where it uses it."""
    if hasattr(settings, name):
        return getattr(settings, name)
    return _CHANGING[name](default) if name in _CHANGING else default


def _verification(default: Any) -> Any:
    """Return "mandatory" wherever codes are sent: allauth then hides from sign-ups which addresses have an account.

    The form for signing in lowers it to what the owner set, by `verified_as_set`.
    """
    from panel.site import registry  # The library reads others before there are models.

    return "mandatory" if not _as_set.get() and _by_code(default) else _value(registry.EMAIL_VERIFICATION)


def _by_code(default: Any) -> Any:
    from panel.site import mail_setup

    # Its addresses and checks are made without a request, and perhaps without a database.
    return mail_setup.is_mail_set_up() if context.request is None else mail_setup.asks_for_codes()


def _issuer(default: Any) -> Any:
    from panel.site import registry

    return _value(registry.PANEL_NAME)


def _unverified_may_enrol(default: Any) -> Any:
    """Return True for staff: the panel may require the second factor of them, also where no mail arrives."""
    request = context.request
    return bool(request and request.user.is_authenticated and request.user.is_staff)


def _value(one: Any) -> Any:
    try:
        return one.value
    except Error:
        return one.default  # Its checks run without a database, too.


_CHANGING: dict[str, Callable[[Any], Any]] = {
    "ACCOUNT_EMAIL_VERIFICATION": _verification,
    "ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED": _by_code,
    "MFA_ALLOW_UNVERIFIED_EMAIL": _unverified_may_enrol,
    "MFA_TOTP_ISSUER": _issuer,
}
