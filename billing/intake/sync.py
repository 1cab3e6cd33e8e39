"""Bring an invoice up to date with its gateway: the one way by which a gateway's money is found.

Calls of the gateway, the poller, staff's “Ask now” and the first round after a start all do this: read what the gateway
says, upsert its payments, and credit those that are due. The read is the truth; a call only says that it is time.
"""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta

import structlog
from django.db import transaction
from django.db.models import F

from billing.intake.credentials import credentials_for, note_failed, note_reached
from billing.intake.crediting import credit_payment
from billing.intake.gateways import Effect, GatewayError, GatewayRefused, Reading, Seen, gateway_of
from billing.intake.invoices import asked_of, create_at_gateway, repair_invoice
from billing.intake.schedule import EXPIRED, next_poll
from billing.models import Invoice, Payment, PaymentMethod, Reversal
from billing.models.intake import MAX_EXTERNAL_ID
from billing.order_holds import hold_orders
from panel.alerts.causes import Cause
from panel.alerts.models import Alert
from panel.alerts.services import raise_alert, resolve_alert
from panel.lib import clock
from panel.lib.claims import claim_due
from panel.lib.money import MAX_MICROS
from panel.site import payment_settings as site

log = structlog.get_logger(__name__)

State = Invoice.State
WITHOUT_ID = (State.NEW, State.CREATING, State.LOST)
# Invoices that are claimed at once, and for how long another worker leaves them alone: each may wait for its gateway.
BATCH = 10
LEASE = timedelta(minutes=4)
ROUND_SECONDS = 20
# Failed reads of a gateway in one round, after which its other invoices wait so long.
MAX_FAILURES = 2
AFTER_FAILURE = timedelta(minutes=1)
# After an invoice expired, for how long a failed read is repeated.
MAX_RETRIES = timedelta(days=60)
MAX_CURRENCY = 10
MAX_ERROR = 300


def poll_due_invoices() -> int:
    """Bring the invoices that are due up to date, for about ROUND_SECONDS; return how many.

    One that fails never stops the others.
    """
    stop_at, done = time.monotonic() + ROUND_SECONDS, 0
    failures: Counter[int] = Counter()
    while time.monotonic() < stop_at:
        failing = {method for method, count in failures.items() if count >= MAX_FAILURES}
        rows = Invoice.objects.exclude(method__in=failing)
        batch = claim_due(rows, due="next_poll_at", lease=LEASE, limit=BATCH)
        for invoice in batch:
            if failures[invoice.method_id] >= MAX_FAILURES:
                # A gateway that hangs costs the others few waits in a round.
                Invoice.objects.filter(pk=invoice.pk).update(next_poll_at=clock.now() + AFTER_FAILURE)
                continue
            try:
                sync_invoice(invoice_id=invoice.pk)
                if PaymentMethod.objects.filter(pk=invoice.method_id).exclude(last_error="").exists():
                    failures[invoice.method_id] += 1
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
        if invoice.state == State.FAILED:
            Invoice.objects.filter(pk=invoice_id, state=State.FAILED).update(next_poll_at=None)
        return invoice
    try:
        gateway = gateway_of(invoice.method.kind)
        reading = gateway.read(asked_of(invoice), credentials_for(gateway, invoice.method))
    except (GatewayError, GatewayRefused) as error:
        note_failed(method=invoice.method, error=str(error))
        return _plan(invoice, invoice.state, error=str(error))
    note_reached(method=invoice.method)
    if reading.our_ref != invoice.our_ref:
        _tell_conflict(
            invoice,
            f"says that invoice {invoice.external_id} is “{reading.our_ref[:60]}”, and not {invoice.our_ref}. "
            "Nothing of it is credited.",
        )
        return _plan(invoice, invoice.state, error="The gateway says that this invoice is not ours.")
    for problem in reading.problems:
        _tell_conflict(invoice, problem)
    with transaction.atomic():
        # A reading that another has overtaken may say that money is not there which came since: it counts for nothing.
        if not Invoice.objects.filter(pk=invoice_id, polls=invoice.polls).update(polls=F("polls") + 1):
            Invoice.objects.filter(pk=invoice_id).update(next_poll_at=clock.now())
            return _find(invoice_id)
        _lock_payments(invoice, reading)
        due = [payment.pk for seen in reading.seen if (payment := _upsert(invoice, seen))]
    for pk in due:
        credit_payment(payment_id=pk)
    return _plan(invoice, _state_of(invoice, reading), reading=reading)


def _find(invoice_id: int) -> Invoice:
    return Invoice.objects.select_related("method", "deposit").get(pk=invoice_id)


def _lock_payments(invoice: Invoice, reading: Reading) -> None:
    """Lock all before the first is written: holding a customer's orders locks the wallet, which comes after."""
    ids = [seen.external_id for seen in reading.seen]
    list(
        Payment.objects.select_for_update(no_key=True)
        .filter(method=invoice.method_id, external_id__in=ids)
        .order_by("pk")
    )


def _upsert(invoice: Invoice, seen: Seen) -> Payment | None:
    """Write what the gateway says of one payment. Return it if there is something to credit."""
    if not _is_sane(seen):
        amount, name = seen.came_in, seen.external_id[:60]
        _tell_conflict(
            invoice,
            f"names a payment for request {invoice.deposit_id} that cannot be: {amount} under {name!r}. "
            "Nothing of it is credited.",
        )
        return None
    payment = (
        Payment.objects.select_for_update(no_key=True)
        .filter(method=invoice.method_id, external_id=seen.external_id)
        .first()
    )
    if payment is None:
        if seen.came_in == 0 or seen.effect in (Effect.NEVER, Effect.REVERSE):
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
    elif payment.reference != invoice.our_ref:
        _tell_conflict(
            invoice,
            f"names payment {payment.external_id} for {invoice.our_ref}, but it came for {payment.reference} before. "
            "It counts there, and nothing was changed.",
        )
        return None
    if seen.effect in (Effect.NEVER, Effect.REVERSE) or (seen.effect is Effect.CREDIT and seen.came_in == 0):
        _take_back(payment, seen, left=0)
    elif seen.effect is Effect.HOLD:
        _hold(payment, seen)
    elif seen.effect is Effect.CREDIT and seen.came_in < payment.credited:
        _take_back(payment, seen, left=seen.came_in)
    elif seen.effect is Effect.CREDIT:
        return _credit_later(payment, seen)
    return None


def _is_sane(seen: Seen) -> bool:
    is_named = 0 < len(seen.external_id) <= MAX_EXTERNAL_ID and 0 < len(seen.currency) <= MAX_CURRENCY
    return is_named and 0 <= seen.came_in <= MAX_MICROS


def _credit_later(payment: Payment, seen: Seen) -> Payment | None:
    """Write the figure, and say whether something of it is to be credited.

    What was dismissed and grows is money that nobody decided about: it is held.
    """
    states, has_grown = Payment.State, seen.came_in > payment.came_in
    if payment.state == states.DISMISSED:
        if has_grown:
            _hold(payment, seen, reason=Payment.Hold.MORE_CAME)
        return None
    if seen.came_in != payment.came_in:
        # Seen on its way, it may have been more than came in the end.
        Payment.objects.filter(pk=payment.pk).update(came_in=seen.came_in)
        payment.came_in = seen.came_in
    # Whatever did not exceed its fee may do so now.
    is_held = payment.state == states.HELD and not (has_grown and payment.hold == Payment.Hold.BELOW_FEE)
    if is_held or payment.credited >= payment.came_in:
        return None
    state = states.CREDITED if payment.state == states.CREDITED else states.SEEN
    Payment.objects.filter(pk=payment.pk).update(state=state, hold="", due_at=clock.now())
    return payment


def _hold(payment: Payment, seen: Seen, *, reason: str = Payment.Hold.GATEWAY) -> None:
    states, is_by_gateway = Payment.State, reason == Payment.Hold.GATEWAY
    if payment.state == states.DISMISSED and is_by_gateway:
        return
    if payment.credited and seen.came_in <= payment.credited:
        # It stays credited; only a person can tell what the doubt means.
        if payment.state == states.CREDITED:
            _tell_doubt(payment, seen)
        return
    Payment.objects.filter(pk=payment.pk).update(
        state=states.HELD,
        hold=reason,
        due_at=None,
        came_in=seen.came_in or payment.came_in,
        # Why it was dismissed says more than the gateway's word.
        note=seen.words[:300] if is_by_gateway else payment.note,
    )
    raise_alert(
        cause=Cause.HELD_PAYMENT,
        about=payment.pk,
        text=f"A payment through {payment.method.name} waits for you: {Payment.Hold(reason).label.lower()}.",
    )


def _take_back(payment: Payment, seen: Seen, *, left: int) -> None:
    """Note that the gateway took money back, all but `left`. It never debits: what is spent cannot be taken back."""
    if payment.credited == 0:
        # Nobody has it yet, and nobody can credit it any more.
        gone = Payment.objects.filter(pk=payment.pk, credited=0).exclude(state=Payment.State.DISMISSED)
        if gone.update(state=Payment.State.GONE, hold="", due_at=None):
            resolve_alert(cause=Cause.HELD_PAYMENT, about=payment.pk)
        return
    # What came in on top of what was credited, and waits or is due, is gone as well.
    Payment.objects.filter(pk=payment.pk).update(
        state=Payment.State.CREDITED, hold="", due_at=None, came_in=payment.credited
    )
    resolve_alert(cause=Cause.HELD_PAYMENT, about=payment.pk)
    amount = payment.credited - left
    reversal, is_new = Reversal.objects.get_or_create(
        payment=payment, defaults={"amount": amount, "seen_at": clock.now()}
    )
    if not is_new:
        # More of it was taken back: what staff settled before is not all.
        is_new = bool(
            Reversal.objects.filter(pk=reversal.pk, amount__lt=amount).update(
                amount=amount, state=Reversal.State.OPEN, seen_at=clock.now()
            )
        )
    if is_new:
        assert payment.deposit is not None  # The database holds it of what was credited.
        holds = site.HOLD_ORDERS_ON_REVERSAL.value
        if holds:
            hold_orders(reversal=reversal, customer_id=payment.deposit.customer_id)
        held = " The customer's orders are held until you settle it or let them order again." if holds else ""
        raise_alert(
            cause=Cause.REVERSAL,
            about=payment.pk,
            text=(
                f"{payment.method.name} took back a payment that was credited ({seen.words or payment.external_id}). "
                f"Nothing was debited: look at it, and post a correction in the customer's wallet.{held}"
            ),
            level=Alert.Level.DANGER,
        )


def _tell_doubt(payment: Payment, seen: Seen) -> None:
    raise_alert(
        cause=Cause.PAYMENT_CONFLICT,
        about=payment.method_id,
        text=(
            f"{payment.method.name} doubts payment {payment.external_id}, which is credited ({seen.words[:60]}). "
            "Nothing was changed: look at it there."
        ),
        level=Alert.Level.DANGER,
    )


def _tell_conflict(invoice: Invoice, text: str) -> None:
    raise_alert(
        cause=Cause.PAYMENT_CONFLICT,
        about=invoice.method_id,
        text=f"{invoice.method.name} {text}",
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
    """Store the state, what the customer is shown, and when to ask again.

    A call that came during the read has made the invoice due again, and it stays so.
    """
    now = clock.now()
    values: dict[str, object] = {"state": state, "last_error": error[:MAX_ERROR]}
    if reading and reading.details:
        # A reading may leave out what only the creation told, such as the memo.
        values["details"] = {**invoice.details, **reading.details}
    expires_at = invoice.expires_at or now
    due = next_poll(now=now, created_at=invoice.created_at, expires_at=expires_at, salt=invoice.pk)
    if error and due is None and now < expires_at + MAX_RETRIES:
        # It was asked about late, because its gateway called: the answer is still to come.
        due = now + EXPIRED
    rows = Invoice.objects.filter(pk=invoice.pk).exclude(state__in=WITHOUT_ID)
    rows.update(**values)
    rows.filter(next_poll_at=invoice.next_poll_at).update(next_poll_at=due)
    return _find(invoice.pk)
