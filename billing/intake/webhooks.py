"""Calls of gateways: kept as they came, and taken as a sign that it is time to ask."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus

from django.db import IntegrityError, transaction

from billing.intake.calls import MAX_BODY, TOO_LARGE, Answer, Call, keep_call, refuse_call
from billing.intake.credentials import credentials_for
from billing.intake.gateways import Created, GatewayError, Told, gateway_of
from billing.intake.invoices import store_created
from billing.models import GatewayCall, Invoice, PaymentMethod
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert
from panel.lib import clock
from panel.lib.signatures import BadSignature
from panel.lib.task_hints import hint_after_commit

UNKNOWN = "No request of ours has this number."
IGNORED = "It is about no payment. Nothing follows from it."
# Between two reads of one invoice for calls that are not known to be genuine.
BETWEEN_DOUBTS = timedelta(minutes=10)
# Further payments of one invoice. Each is read whenever the invoice is.
MAX_TOLD = 50


def receive_webhook(*, method: PaymentMethod, call: Call) -> Answer:
    """Keep the call; if it is genuine, ask the gateway about its invoice soon. Money follows from what that says."""
    if call.size > MAX_BODY:
        return refuse_call(method, call, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, TOO_LARGE)
    gateway = gateway_of(method.kind)
    try:
        told = gateway.verify(call, credentials_for(gateway, method))
    except (BadSignature, GatewayError) as error:
        with transaction.atomic():
            return _refuse(method, call, str(error), invoice_id=gateway.hint(call))
    try:
        with transaction.atomic():
            return _take(method, call, told)
    except IntegrityError:
        # The same call at the same time. Its row is committed now.
        with transaction.atomic():
            return _take(method, call, told)


def _take(method: PaymentMethod, call: Call, told: Told) -> Answer:
    is_repeat = GatewayCall.objects.filter(
        method=method, call_id=told.call_id, is_genuine=True, is_repeat=False
    ).exists()
    known = {"call_id": told.call_id, "is_genuine": True, "is_repeat": is_repeat}
    if told.is_test:
        keep_call(method, call, GatewayCall.Outcome.ACCEPTED, problem="A test. Nothing follows from it.", **known)
        return Answer(HTTPStatus.OK, "The test came in.")
    if told.is_ignored:
        keep_call(method, call, GatewayCall.Outcome.ACCEPTED, problem=IGNORED, **known)
        return Answer(HTTPStatus.OK, IGNORED)
    invoice = _invoice_of(method, told)
    if invoice is None:
        keep_call(method, call, GatewayCall.Outcome.UNKNOWN, problem=UNKNOWN, **known)
        raise_alert(
            cause=Cause.UNKNOWN_INVOICE,
            about=method.pk,
            text=f"{method.name} told about an invoice that is not ours ({told.our_ref or told.external_id}).",
        )
        return Answer(HTTPStatus.OK, UNKNOWN)
    outcome = GatewayCall.Outcome.REPEATED if is_repeat else GatewayCall.Outcome.ACCEPTED
    keep_call(method, call, outcome, invoice=invoice, **known)
    if told.external_id and not invoice.external_id:
        # Its creation was not answered. Whether the id is really its own, the read says.
        store_created(invoice=invoice, created=Created(told.external_id, url=told.url))
    if told.payment_id:
        _remember(method, invoice, told.payment_id)
    _read_soon(invoice)
    return Answer(HTTPStatus.OK, "Thank you.")


def _refuse(method: PaymentMethod, call: Call, problem: str, *, invoice_id: str) -> Answer:
    """Keep a call that is not known to be genuine. Read the invoice that it names, once in BETWEEN_DOUBTS.

    So a genuine call that we fail to recognize costs no money, and a false one costs one read.
    """
    named = Invoice.objects.filter(method=method, external_id=invoice_id).exclude(external_id="")
    invoice = named.select_for_update(no_key=True).first()
    doubted = GatewayCall.objects.filter(
        invoice=invoice, is_genuine=False, received_at__gt=clock.now() - BETWEEN_DOUBTS
    )
    if invoice and not doubted.exists():
        _read_soon(invoice)
    keep_call(method, call, GatewayCall.Outcome.REFUSED, problem=problem, invoice=invoice)
    return Answer(HTTPStatus.UNAUTHORIZED, problem)


def _read_soon(invoice: Invoice) -> None:
    Invoice.objects.filter(pk=invoice.pk).update(next_poll_at=clock.now())
    hint_after_commit("billing.tasks.credit_payments")


def _remember(method: PaymentMethod, invoice: Invoice, payment_id: str) -> None:
    """Keep the id of a further payment in the call's transaction: it is told once, and read as long as the invoice."""
    told = Invoice.objects.select_for_update(no_key=True).get(pk=invoice.pk).told or []
    if payment_id in told:
        return
    if len(told) >= MAX_TOLD:
        raise_alert(
            cause=Cause.PAYMENT_CONFLICT,
            about=method.pk,
            text=f"{method.name} told of more than {MAX_TOLD} payments for {invoice.our_ref}. Look for {payment_id}.",
        )
        return
    Invoice.objects.filter(pk=invoice.pk).update(told=[*told, payment_id])


def _invoice_of(method: PaymentMethod, told: Told) -> Invoice | None:
    """Return the invoice that a call names, by our reference or by the gateway's id; None if they disagree."""
    rows = Invoice.objects.filter(method=method)
    if told.our_ref:
        found = rows.filter(our_ref=told.our_ref).first()
        if found and told.external_id and found.external_id not in ("", told.external_id):
            # A second invoice of one reference: whatever is paid into it would not be found by asking about the first.
            return None
        return found
    return rows.filter(external_id=told.external_id).exclude(external_id="").first()
