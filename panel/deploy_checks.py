"""System checks of `check --deploy`: what looks set up, and would fail its customers. Each error names the setting."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import Error, register

# Backends that send no mail anywhere.
_PRINTED = ("console", "filebased", "locmem", "dummy")
# Backends of a cache that no other process sees.
_PRIVATE = ("locmem", "dummy")


def is_public(host: str) -> bool:
    """Return True if customers may reach a site under this name: it is neither private nor without a domain."""
    try:
        return ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith((".localhost", ".local", ".internal", ".test"))


@register(deploy=True)
def check_mail(**_: Any) -> list[Error]:
    """Report mails that reach nobody: confirmations, password resets, invitations and alerts."""
    errors = []
    if any(one in settings.EMAIL_BACKEND for one in _PRINTED):
        errors.append(
            Error(
                "EMAIL_URL names no mail server: nobody can confirm an address or reset a password.",
                hint="Set EMAIL_URL, for example smtp+tls://user:password@host:587.",
                id="panel.E020",
            )
        )
    if not settings.EMAIL_FROM:
        errors.append(
            Error(
                "EMAIL_FROM is not set: mails would come from panel@localhost, which mail servers refuse.",
                hint="Set EMAIL_FROM to an address that your mail server may send from.",
                id="panel.E021",
            )
        )
    return errors


@register(deploy=True)
def check_shared_servers(**_: Any) -> list[Error]:
    """Report a broker or a cache of each process of its own, where PostgreSQL serves several."""
    if settings.USES_SQLITE:
        return []
    errors = []
    if settings.EMBEDDED_BROKER:
        errors.append(
            Error(
                "The task broker is embedded in the worker: no other process can tell it that there is work.",
                hint="Set CELERY_BROKER_URL, for example redis://127.0.0.1:6379/0.",
                id="panel.E022",
            )
        )
    if any(one in settings.CACHES["default"]["BACKEND"].lower() for one in _PRIVATE):
        errors.append(
            Error(
                "The cache is private to each process: each would allow the full rate of requests and of guesses.",
                hint="Set CACHE_URL, for example rediscache://127.0.0.1:6379/1.",
                id="panel.E023",
            )
        )
    return errors


@register(deploy=True)
def check_proxy(**_: Any) -> list[Error]:
    """Report https without a decision about the proxy: wrong, it redirects without end, or believes any address."""
    if not settings.SECURE or settings.BEHIND_PROXY is not None:
        return []
    return [
        Error(
            "SITE_URL is https, and BEHIND_PROXY is neither true nor false.",
            hint=(
                "Set BEHIND_PROXY=true if a reverse proxy terminates TLS and sets X-Forwarded-Proto and "
                "X-Forwarded-For itself, or BEHIND_PROXY=false if the web server does TLS."
            ),
            id="panel.E024",
        )
    ]


@register(deploy=True)
def check_private_providers(**_: Any) -> list[Error]:
    """Report that providers may have private addresses: whoever edits one could reach into the own network."""
    if not settings.UPSTREAM_ALLOW_PRIVATE or not is_public(urlsplit(settings.SITE_URL).hostname or ""):
        return []
    return [
        Error(
            "UPSTREAM_ALLOW_PRIVATE is on, and the site is public: providers could be addresses of your own network, "
            "and API keys could travel unencrypted.",
            hint="Remove UPSTREAM_ALLOW_PRIVATE. It is for the sandbox of `make demo`.",
            id="panel.E025",
        )
    ]


@register(deploy=True)
def check_private_gateways(**_: Any) -> list[Error]:
    """Report names of private gateways that match nothing, or more than a gateway."""
    return [
        Error(
            f"PAYMENT_PRIVATE_HOSTS names “{host}”: {problem}.",
            hint="Name each host as it stands in the gateway's address, for example btcpay.lan or 10.0.0.5:23000.",
            id="panel.E027",
        )
        for host in sorted(settings.PAYMENT_PRIVATE_HOSTS)
        if (problem := _problem_of_private_host(host))
    ]


def _problem_of_private_host(text: str) -> str:
    try:
        parts = urlsplit(f"//{text}")
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "that is no host"
    if parts.netloc != text or not host or any(one in text for one in "*@\\ "):
        return "that is no host"
    try:
        address = ip_address(host)
    except ValueError:
        return ""
    if address.is_global:
        return "it is public and needs no permission, by which keys could travel unencrypted"
    if address.is_link_local or address.is_multicast or address.is_unspecified:
        return "no gateway is there, but services of the machine or its host may be"
    return ""


@register(deploy=True)
def check_hsts(**_: Any) -> list[Error]:
    """Report HSTS settings that have no effect as they are."""
    preload, subdomains = settings.SECURE_HSTS_PRELOAD, settings.SECURE_HSTS_INCLUDE_SUBDOMAINS
    if (preload or subdomains) and not settings.SECURE:
        text, hint = "HSTS is asked for, and SITE_URL is not https.", "Set SITE_URL to an https address."
    elif preload and not subdomains:
        text = "HSTS_PRELOAD is on without HSTS_INCLUDE_SUBDOMAINS: browsers' preload lists refuse that."
        hint = "Set HSTS_INCLUDE_SUBDOMAINS=true if each host below the domain has https, or remove HSTS_PRELOAD."
    else:
        return []
    return [Error(text, hint=hint, id="panel.E026")]
