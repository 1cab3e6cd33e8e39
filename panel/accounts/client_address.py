"""The address that a request came from."""

from __future__ import annotations

from ipaddress import ip_address

from allauth.account.adapter import get_adapter
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str | None:
    """Return the client's address as the sign-in page sees it, also behind the trusted proxy; None if it has none."""
    try:
        return str(ip_address(str(get_adapter().get_client_ip(request)).partition("%")[0]))
    except (ImproperlyConfigured, PermissionDenied, ValueError):
        return None
