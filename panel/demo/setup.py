"""The demo's data and processes: a panel with a sandbox provider, ready to order from."""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass

from allauth.account.models import EmailAddress
from django.conf import settings

from billing.models import PaymentMethod
from catalog.imports.run import import_services
from catalog.models import Provider, SyncRun
from catalog.provider_accounts import check_balance, set_api_key
from panel.accounts.models import User
from panel.demo.history import people
from panel.demo.history.write import is_wanted, let_rates_change, list_as_before, write_history
from panel.lib.money import MICRO
from panel.sandbox.server import SandboxServer

OWNER = "owner@example.com"
CUSTOMER = people.BUYER
RESELLER = people.RESELLER
PROVIDER = "Sandbox"
SANDBOX_KEY = "sandbox-key"
TRANSFER_INSTRUCTIONS = """Send the amount to:

Demo Ltd
IBAN DE00 0000 0000 0000 0000 00

This is a demo: send nothing. As the owner, approve the request in the admin."""
SANDBOX_DB = settings.VAR_DIR / "sandbox.sqlite3"


@dataclass(frozen=True, slots=True)
class Ports:
    web: int
    sandbox: int


# How many times faster than usual the sandbox delivers.
SANDBOX_SPEED = float(os.environ.get("SANDBOX_SPEED", "1"))


class DemoError(Exception):
    """The demo cannot start; the message says what to do."""


def check_ports(ports: Ports) -> None:
    """Raise DemoError if another program already uses one of the ports."""
    for port, name in ((ports.web, "WEB_PORT"), (ports.sandbox, "SANDBOX_PORT")):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                raise DemoError(
                    f"Port {port} is in use. Stop what listens there, or choose another: {name}=… make demo"
                ) from None


def fill(*, password: str, ports: Ports) -> None:
    """Create the owner, the customer, the sandbox with its services, and a month of history, unless they exist."""
    owner, customer = _accounts(password)
    method, _ = PaymentMethod.objects.get_or_create(
        name="Bank transfer",
        defaults={
            "instructions": TRANSFER_INSTRUCTIONS,
            "minimum": 5 * MICRO,
            "maximum": 5_000 * MICRO,
            "bonus_bp": 500,
            "tiers": [[100 * MICRO, 800]],
        },
    )
    provider = _provider(url=f"http://127.0.0.1:{ports.sandbox}/api/v2")
    is_new = is_wanted(provider=provider)
    imported = SyncRun.objects.filter(provider=provider, outcome=SyncRun.Outcome.APPLIED)
    if imported.exists() and not is_new:
        return
    with SandboxServer(db_path=SANDBOX_DB, port=ports.sandbox, key=SANDBOX_KEY) as server:
        if not imported.exists():
            list_as_before(server)
            _check(import_services(provider=provider))
            check_balance(provider=provider)
        if is_new:
            _check(let_rates_change(provider=provider, server=server))
            provider.refresh_from_db()
            write_history(provider=provider, server=server, owner=owner, customer=customer, method=method)


def _accounts(password: str) -> tuple[User, User]:
    """Return the owner and the customer; both have this password."""
    owner = User.objects.filter(email=OWNER).first() or User.objects.create_superuser(OWNER, password)
    customer = User.objects.filter(email=CUSTOMER).first()
    if customer is None:
        customer = User.objects.create_user(CUSTOMER, password, first_name="Demo")
    for user in (owner, customer):
        EmailAddress.objects.get_or_create(user=user, email=user.email, defaults={"verified": True, "primary": True})
    # The password in .env may have been changed, and the demo prints that one.
    for user in User.objects.filter(email__in=(OWNER, *people.BY_EMAIL)):
        if not user.check_password(password):
            user.set_password(password)
            user.save()
    return owner, customer


def _provider(*, url: str) -> Provider:
    provider = Provider.objects.filter(name=PROVIDER).first()
    if provider is None:
        provider = Provider(name=PROVIDER, api_url=url)
        set_api_key(provider=provider, api_key=SANDBOX_KEY)
        provider.save()
    elif provider.api_url != url:
        provider.api_url = url
        provider.save()
    return provider


def _check(run: SyncRun) -> None:
    if run.outcome != SyncRun.Outcome.APPLIED:
        raise DemoError(f"The sandbox's services could not be imported: {run.reason}")


def commands(ports: Ports) -> dict[str, str]:
    """Return the commands that run under the supervisor, by name."""
    python = f'"{sys.executable}"'
    gunicorn = "--threads 8 --timeout 120 --log-level warning --no-control-socket"
    sandbox = f'--port {ports.sandbox} --key {SANDBOX_KEY} --db "{SANDBOX_DB}" --speed {SANDBOX_SPEED}'
    processes = {
        "web": f"{python} -m gunicorn panel.wsgi --bind 127.0.0.1:{ports.web} {gunicorn}",
        "tasks": f"{python} -m celery -A panel --quiet worker --loglevel WARNING",
        "sandbox": f"{python} manage.py sandbox_provider {sandbox}",
    }
    if not settings.EMBEDDED_BROKER:
        processes["beat"] = (
            f"{python} -m celery -A panel --quiet beat --loglevel WARNING --scheduler celery.beat:Scheduler"
        )
    return processes
