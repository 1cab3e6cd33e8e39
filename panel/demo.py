"""The demo's data and processes: a panel with a sandbox provider, ready to order from."""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass

from allauth.account.models import EmailAddress
from django.conf import settings

from billing.adjusting import adjust_wallet
from billing.models import Entry, PaymentMethod
from billing.wallets import wallet_of
from catalog.imports.run import import_services
from catalog.models import Provider, SyncRun
from catalog.provider_accounts import check_balance, set_api_key
from panel.accounts.models import User
from panel.lib.money import MICRO
from panel.sandbox.server import SandboxServer

OWNER = "owner@example.com"
CUSTOMER = "customer@example.com"
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
    """Create the owner, the customer with $50, and the sandbox with its services, unless they exist."""
    owner = User.objects.filter(email=OWNER).first() or User.objects.create_superuser(OWNER, password)
    customer = User.objects.filter(email=CUSTOMER).first()
    if customer is None:
        customer = User.objects.create_user(CUSTOMER, password, first_name="Demo")
    for user in (owner, customer):
        if not user.check_password(password):  # The password in .env was changed, and the demo prints that one.
            user.set_password(password)
            user.save()
        EmailAddress.objects.get_or_create(user=user, email=user.email, defaults={"verified": True, "primary": True})
    adjust_wallet(
        wallet=wallet_of(customer=customer),
        amount=50 * MICRO,
        kind=Entry.Kind.DEPOSIT,
        reason="Bank transfer",
        request_key="demo-first-deposit",
        actor=owner,
    )
    PaymentMethod.objects.get_or_create(
        name="Bank transfer",
        defaults={
            "instructions": TRANSFER_INSTRUCTIONS,
            "minimum": 5 * MICRO,
            "maximum": 5_000 * MICRO,
            "bonus_bp": 500,
        },
    )
    provider = Provider.objects.filter(name=PROVIDER).first()
    url = f"http://127.0.0.1:{ports.sandbox}/api/v2"
    if provider is None:
        provider = Provider(name=PROVIDER, api_url=url)
        set_api_key(provider=provider, api_key=SANDBOX_KEY)
        provider.save()
    elif provider.api_url != url:
        provider.api_url = url
        provider.save()
    if not SyncRun.objects.filter(provider=provider, outcome=SyncRun.Outcome.APPLIED).exists():
        with SandboxServer(db_path=SANDBOX_DB, port=ports.sandbox, key=SANDBOX_KEY):
            run = import_services(provider=provider)
            if run.outcome != SyncRun.Outcome.APPLIED:
                raise DemoError(f"The sandbox's services could not be imported: {run.reason}")
            check_balance(provider=provider)


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
