"""Bring an invoice up to date with its gateway: the one way by which a gateway's money is found.

Calls of the gateway, the poller, staff's “Ask now” and the first round after a start all do this: read what the gateway
says, upsert its payments, and credit those that are due. The read is the truth; a call only says that it is time.
"""

from __future__ import annotations

import time
from datetime import timedelta

import structlog
from django.db import transaction

from billing.intake.credentials import credentials_for, note_failed, note_reached
from billing.intake.crediting import credit_payment
from billing.intake.gateways import Effect, GatewayError, GatewayRefused, Reading, Seen, gateway_of
from billing.intake.invoices import asked_of, create_at_gateway, repair_invoice
from billing.intake.schedule import next_poll
from billing.models import Invoice, Payment, Reversal
from panel.alerts.causes import Cause
from panel.alerts.models import Alert
from panel.alerts.services import raise_alert
from panel.lib import clock
from panel.lib.claims import claim_due

log = structlog.get_logger(__name__)

State = Invoice.State
WITHOUT_ID = (State.NEW, State.CREATING, State.LOST)
# Invoices that are claimed at once, and for how long another worker leaves them alone: each may wait for its gateway.
BATCH = 10
LEASE = timedelta(minutes=4)
ROUND_SECONDS = 20
MAX_ERROR = 300


def poll_due_invoices() -> int:
    """Bring the invoices that are due up to date, for about ROUND_SECONDS; return how many.

    One that fails never stops the others.
    """
    stop_at, done = time.monotonic() + ROUND_SECONDS, 0
    while time.monotonic() < stop_at:
        batch = claim_due(Invoice.objects.all(), due="next_poll_at", lease=LEASE, limit=BATCH)
        for invoice in batch:
            try:
                sync_invoice(invoice_id=invoice.pk)
            except Exception:
                log.exception("invoice not read", invoice=invoice.our_ref)
        done += len(batch)
        if len(batch) < BATCH:
            break
    return done


def sync_invoice(*, invoice_id: int) -> Invoice:
    """Read the invoice at its gateway, and credit what came in. Repeating it, or running beside it, changes nothing."""
    invoice = _find(invoice_id)
    if invoice.state == State.NEW:
        invoice = create_at_gateway(invoice_id=invoice_id)
    elif invoice.state in WITHOUT_ID:
        invoice = repair_invoice(invoice_id=invoice_id)
    if not invoice.external_id:
        return invoice
    try:
        gateway = gateway_of(invoice.method.kind)
        reading = gateway.read(asked_of(invoice), credentials_for(gateway, invoice.method))
    except (GatewayError, GatewayRefused) as error:
        note_failed(method=invoice.method, error=str(error))
        return _plan(invoice, invoice.state, error=str(error))
    note_reached(method=invoice.method)
    if reading.our_ref != invoice.our_ref:
        _tell_mismatch(invoice, reading)
        return _plan(invoice, invoice.state, error="The gateway says that this invoice is not ours.")
    with transaction.atomic():
        Invoice.objects.select_for_update(no_key=True).get(pk=invoice_id)
        due = [payment.pk for seen in reading.seen if (payment := _upsert(invoice, seen))]
    for pk in due:
        credit_payment(payment_id=pk)
    return _plan(invoice, _state_of(invoice, reading), reading=reading)


def _find(invoice_id: int) -> Invoice:
    return Invoice.objects.select_related("method", "deposit").get(pk=invoice_id)


def _upsert(invoice: Invoice, seen: Seen) -> Payment | None:
    """Write what the gateway says of one payment. Return it if there is something to credit.

    A figure only grows here: an older reading that comes later must not take anything back.
    """
    payment = (
        Payment.objects.select_for_update(no_key=True)
        .filter(method=invoice.method_id, external_id=seen.external_id)
        .first()
    )
    if payment is None:
        if seen.came_in <= 0 or seen.effect in (Effect.NEVER, Effect.REVERSE):
            return None
        payment = Payment.objects.create(
            method=invoice.method,
            external_id=seen.external_id,
            deposit=invoice.deposit,
            reference=invoice.our_ref,
            currency=seen.currency,
            came_in=seen.came_in,
            seen_at=clock.now(),
        )
    elif payment.deposit_id != invoice.deposit_id:
        _tell_other_request(invoice, payment)
        return None
    if payment.state in (Payment.State.HELD, Payment.State.DISMISSED):
        _grow(payment, seen)
        return None
    if seen.effect is Effect.CREDIT:
        _grow(payment, seen)
        return _due(payment)
    if seen.effect is Effect.HOLD:
        _hold(payment, seen)
    elif seen.effect is Effect.REVERSE:
        _reverse(payment, seen)
    elif seen.effect is Effect.NEVER and payment.state == Payment.State.SEEN:
        Payment.objects.filter(pk=payment.pk, state=Payment.State.SEEN).update(state=Payment.State.GONE, due_at=None)
    return None


def _grow(payment: Payment, seen: Seen) -> None:
    if seen.effect is Effect.CREDIT and seen.came_in > payment.came_in:
        Payment.objects.filter(pk=payment.pk).update(came_in=seen.came_in)
        payment.came_in = seen.came_in
    elif seen.effect is Effect.CREDIT and seen.came_in < payment.came_in and not payment.credited:
        # Seen on its way as more than came in the end.
        Payment.objects.filter(pk=payment.pk, credited=0).update(came_in=seen.came_in)
        payment.came_in = seen.came_in


def _due(payment: Payment) -> Payment | None:
    if payment.credited >= payment.came_in:
        return None
    waiting = (Payment.State.SEEN, Payment.State.GONE, Payment.State.CREDITED)
    state = payment.state if payment.state == Payment.State.CREDITED else Payment.State.SEEN
    Payment.objects.filter(pk=payment.pk, state__in=waiting).update(state=state, due_at=clock.now())
    return payment


def _hold(payment: Payment, seen: Seen) -> None:
    if payment.state == Payment.State.CREDITED:
        return
    held = Payment.objects.filter(pk=payment.pk, state__in=(Payment.State.SEEN, Payment.State.GONE)).update(
        state=Payment.State.HELD, hold=Payment.Hold.GATEWAY, due_at=None, note=seen.words[:300]
    )
    if held:
        raise_alert(
            cause=Cause.HELD_PAYMENT,
            about=payment.pk,
            text=f"{payment.method.name} holds a payment itself: {seen.words or 'it does not say why'}.",
        )


def _reverse(payment: Payment, seen: Seen) -> None:
    """Note that credited money was taken back. It never debits: what is spent cannot be taken, and readings err."""
    if payment.state != Payment.State.CREDITED:
        Payment.objects.filter(pk=payment.pk, state=Payment.State.SEEN).update(state=Payment.State.GONE, due_at=None)
        return
    _, created = Reversal.objects.get_or_create(
        payment=payment, defaults={"amount": payment.credited, "seen_at": clock.now()}
    )
    if created:
        raise_alert(
            cause=Cause.REVERSAL,
            about=payment.pk,
            text=(
                f"{payment.method.name} took back a payment that was credited ({seen.words or payment.external_id}). "
                "Nothing was debited: look at it, and post a correction in the customer's wallet."
            ),
            level=Alert.Level.DANGER,
        )


def _tell_other_request(invoice: Invoice, payment: Payment) -> None:
    raise_alert(
        cause=Cause.PAYMENT_CONFLICT,
        about=invoice.method_id,
        text=(
            f"{invoice.method.name} names payment {payment.external_id} for request {invoice.deposit_id}, but it came "
            f"for request {payment.deposit_id} before. It counts there, and nothing was changed."
        ),
        level=Alert.Level.DANGER,
    )


def _tell_mismatch(invoice: Invoice, reading: Reading) -> None:
    raise_alert(
        cause=Cause.PAYMENT_CONFLICT,
        about=invoice.method_id,
        text=(
            f"{invoice.method.name} says that invoice {invoice.external_id} is “{reading.our_ref[:60]}”, and not "
            f"{invoice.our_ref}. Nothing of it is credited."
        ),
        level=Alert.Level.DANGER,
    )


def _state_of(invoice: Invoice, reading: Reading) -> str:
    """Return the state that the money says."""
    came_in = sum(seen.came_in for seen in reading.seen if seen.effect is Effect.CREDIT)
    if came_in >= invoice.amount:
        return State.PAID
    if reading.is_over or (invoice.expires_at and invoice.expires_at <= clock.now()):
        return State.EXPIRED
    return State.PARTIAL if came_in else State.OPEN


def _plan(invoice: Invoice, state: str, *, reading: Reading | None = None, error: str = "") -> Invoice:
    """Store the state, what the customer is shown, and when to ask again."""
    now = clock.now()
    values: dict[str, object] = {"state": state, "last_error": error[:MAX_ERROR], "polls": invoice.polls + 1}
    if reading and reading.details:
        values["details"] = dict(reading.details)
    values["next_poll_at"] = next_poll(
        now=now, created_at=invoice.created_at, expires_at=invoice.expires_at or now, salt=invoice.pk
    )
    Invoice.objects.filter(pk=invoice.pk).exclude(state__in=WITHOUT_ID).update(**values)
    return _find(invoice.pk)
