"""Create invoices at gateways: each once, whatever happens to the answer.

The row with our reference is committed before the gateway hears of it. An answer that is lost or cannot be read leaves
the invoice "lost", and the gateway's own rule finds it again: the same create, a search, or nothing but its expiry.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.urls import reverse

from billing.intake.credentials import credentials_for, note_failed, note_reached
from billing.intake.gateways import Asked, Created, Gateway, GatewayError, GatewayRefused, Repair, gateway_of
from billing.intake.schedule import next_poll, next_repair
from billing.models import Deposit, Invoice
from panel.lib import clock

log = structlog.get_logger(__name__)

# How long one process may be creating an invoice, before another looks for it.
LEASE = timedelta(seconds=90)
# Of a gateway that does not say when its invoice expires.
LIFETIME = timedelta(hours=24)
MAX_ERROR = 300
# Where an invoice can be looked up, the first look comes 10 s after the lost answer, the next one a minute later. A
# request that was under way has arrived by then, so what is not there may be asked for again.
ATTEMPTS_BEFORE_ANOTHER = 3
ANOTHER_AFTER = timedelta(seconds=60)
# Between two questions about a lost answer.
BETWEEN_ASKS = timedelta(seconds=8)


def open_invoice(*, deposit: Deposit) -> Invoice:
    """Return the deposit's invoice, created at its gateway if it can be. Never creates a second one.

    If the gateway refused, its state is FAILED; if it did not answer, LOST.
    """
    invoice = Invoice.objects.filter(deposit=deposit).first() or _store(deposit)
    if invoice.state == Invoice.State.NEW:
        invoice = create_at_gateway(invoice_id=invoice.pk)
    return invoice


def _store(deposit: Deposit) -> Invoice:
    now = clock.now()
    try:
        with transaction.atomic():
            return Invoice.objects.create(
                deposit=deposit,
                method_id=deposit.method_id,
                our_ref=f"{settings.PANEL_PREFIX or 'panel'}-{deposit.pk}-{secrets.token_hex(6)}"[:40],
                amount=deposit.to_pay,
                currency=settings.PANEL_CURRENCY,
                created_at=now,
                next_poll_at=now + LEASE,
            )
    except IntegrityError:  # The second half of a double click.
        return Invoice.objects.get(deposit=deposit)


def asked_of(invoice: Invoice) -> Asked:
    """Return the invoice as its gateway is asked for it."""
    site = settings.SITE_URL
    return Asked(
        our_ref=invoice.our_ref,
        external_id=invoice.external_id,
        amount=invoice.amount,
        currency=invoice.currency,
        customer_ref=str(invoice.deposit.customer_id),
        callback_url=f"{site}{reverse('gateway_call', args=[invoice.method.kind, invoice.method_id])}",
        return_url=f"{site}{reverse('deposit_detail', args=[invoice.deposit_id])}",
        option=invoice.deposit.option,
        told=tuple(invoice.told or ()),
    )


def create_at_gateway(*, invoice_id: int) -> Invoice:
    """Create an invoice that the gateway never heard of. Another process that does so too changes nothing."""
    now = clock.now()
    new = Invoice.objects.filter(pk=invoice_id, state=Invoice.State.NEW)
    claimed = new.update(
        state=Invoice.State.CREATING,
        create_attempts=F("create_attempts") + 1,
        asked_at=now,
        next_poll_at=now + LEASE,
    )
    invoice = _get(invoice_id)
    return _ask(invoice, gateway_of(invoice.method.kind), is_repair=False) if claimed else invoice


def repair_invoice(*, invoice_id: int) -> Invoice:
    """Find an invoice whose creation was not answered, by its gateway's rule; not while somebody else asks about it."""
    invoice = _get(invoice_id)
    gateway, now = gateway_of(invoice.method.kind), clock.now()
    if gateway.repair is Repair.NONE:
        # The gateway's own lifetime has passed for whatever it created. Its calls still find the invoice by our_ref.
        if now >= invoice.created_at + LIFETIME:
            return _end(invoice, Invoice.State.FAILED, "Its creation was never answered, and it has expired.")
        return _wait(invoice, invoice.last_error)
    rests = LEASE if invoice.state == Invoice.State.CREATING else BETWEEN_ASKS
    claimed = Invoice.objects.filter(
        Q(asked_at=None) | Q(asked_at__lte=now - rests),
        pk=invoice_id,
        state=invoice.state,
        create_attempts=invoice.create_attempts,
    ).update(create_attempts=F("create_attempts") + 1, asked_at=now)
    return _ask(_get(invoice_id), gateway, is_repair=True) if claimed else invoice


def _ask(invoice: Invoice, gateway: Gateway, *, is_repair: bool) -> Invoice:
    """Ask the gateway outside of any transaction, and store its answer."""
    asked = asked_of(invoice)
    try:
        credentials = credentials_for(gateway, invoice.method)
        if is_repair and gateway.repair is Repair.LOOK_UP:
            created = gateway.look_up(asked, credentials)
            is_early = clock.now() < invoice.created_at + ANOTHER_AFTER
            if created is None and (is_early or invoice.create_attempts < ATTEMPTS_BEFORE_ANOTHER):
                return _wait(invoice, "The gateway does not know it yet.")
            if created is None:
                created = gateway.create(asked, credentials)
        else:
            created = gateway.create(asked, credentials)
        note_reached(method=invoice.method)
    except GatewayRefused as error:
        return _end(invoice, Invoice.State.FAILED, str(error))
    except GatewayError as error:
        note_failed(method=invoice.method, error=str(error))
        return _wait(invoice, str(error))
    return store_created(invoice=invoice, created=created)


def store_created(*, invoice: Invoice, created: Created) -> Invoice:
    """Move an invoice that the gateway has to OPEN, also one that was given up.

    One that a call had opened before this answer came gets where to pay from it.
    """
    now = clock.now()
    expires_at = created.expires_at or now + LIFETIME
    # It becomes a link of a page.
    url = created.url if created.url.startswith("https://") else ""
    without_id = Invoice.objects.filter(
        pk=invoice.pk, state__in=(Invoice.State.CREATING, Invoice.State.LOST, Invoice.State.FAILED)
    )
    opened = without_id.update(
        state=Invoice.State.OPEN,
        external_id=created.external_id,
        url=url,
        details=dict(created.details),
        expires_at=expires_at,
        next_poll_at=next_poll(now=now, created_at=now, expires_at=expires_at, salt=invoice.pk),
        last_error="",
    )
    if not opened:
        Invoice.objects.filter(pk=invoice.pk, external_id=created.external_id, url="").update(
            url=url, details=dict(created.details)
        )
    Deposit.objects.filter(pk=invoice.deposit_id, state=Deposit.State.PENDING).update(expires_at=expires_at)
    return _get(invoice.pk)


def _wait(invoice: Invoice, error: str) -> Invoice:
    """Say that the creation was not answered; look for the invoice later."""
    Invoice.objects.filter(pk=invoice.pk, state__in=(Invoice.State.CREATING, Invoice.State.LOST)).update(
        state=Invoice.State.LOST,
        last_error=error[:MAX_ERROR],
        next_poll_at=next_repair(now=clock.now(), attempts=invoice.create_attempts),
    )
    log.warning("invoice not answered", invoice=invoice.our_ref, error=error)
    return _get(invoice.pk)


def _end(invoice: Invoice, state: str, error: str) -> Invoice:
    waiting = (Invoice.State.CREATING, Invoice.State.LOST)
    Invoice.objects.filter(pk=invoice.pk, state__in=waiting).update(
        state=state, last_error=error[:MAX_ERROR], next_poll_at=None
    )
    log.warning("invoice not created", invoice=invoice.our_ref, error=error)
    return _get(invoice.pk)


def _get(invoice_id: int) -> Invoice:
    return Invoice.objects.select_related("method", "deposit").get(pk=invoice_id)
