"""The signed intake: keep each call as it came, and make genuine ones payments.

A call is kept in the transaction that makes its payment, before the answer. Crediting follows in a task, so that a
sender is answered at once, and a lost answer changes nothing: the repeated call finds the payment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.db import IntegrityError, transaction

from billing.intake.arrivals import Arrival, BadArrival, read_arrival
from billing.intake.secrets import secrets_of
from billing.models import GatewayCall, Payment, PaymentMethod
from panel.alerts.causes import Cause
from panel.alerts.models import Alert
from panel.alerts.services import raise_alert
from panel.lib import clock
from panel.lib.crypto import decrypt
from panel.lib.signatures import BadSignature, verify
from panel.lib.task_hints import hint_after_commit

# Bytes of a body that are read and kept. An arrival has some hundred.
MAX_BODY = 64 * 1024
MAX_STRANGERS_BODY = 1024
# Headers that are kept, cut to this length.
KEPT_HEADERS = (
    "content-type",
    "user-agent",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "btcpay-sig",
    "x-nowpayments-sig",
)
MAX_HEADER = 500


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it came. `headers` have names in lower case; `size` is that of the body, of which MAX_BODY are read."""

    headers: Mapping[str, str]
    body: bytes
    size: int
    address: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the caller is told."""

    status: HTTPStatus
    text: str


TOO_LARGE = f"The body is larger than {MAX_BODY // 1024} KB."
OTHER_BODY = "A call with this webhook-id came before, with another body. Each message has an id of its own."
OTHER_ARRIVAL = "This payment_id came before, with another amount, currency or reference. Nothing was changed."


def receive_call(*, method: PaymentMethod, call: Call) -> Answer:
    """Keep the call and do what it says. Return the answer; refused calls are kept as well."""
    if call.size > MAX_BODY:
        return refuse_call(method, call, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, TOO_LARGE)
    try:
        call_id = verify(
            secrets=[decrypt(row.secret_encrypted) for row in secrets_of(method=method)],
            headers=call.headers,
            body=call.body,
            now=clock.now().timestamp(),
        )
    except BadSignature as error:
        return refuse_call(method, call, HTTPStatus.UNAUTHORIZED, str(error))
    try:
        arrival = read_arrival(call.body)
    except BadArrival as error:
        return refuse_call(method, call, HTTPStatus.UNPROCESSABLE_ENTITY, str(error), is_genuine=True)
    try:
        with transaction.atomic():
            return _take(method, call, call_id, arrival)
    except IntegrityError:
        # The same call at the same time. Its rows are committed now.
        with transaction.atomic():
            return _take(method, call, call_id, arrival)


def _take(method: PaymentMethod, call: Call, call_id: str, arrival: Arrival) -> Answer:
    """Write the call, and its payment if it is new. Raise IntegrityError if the same call came beside this one."""
    same_call = GatewayCall.objects.filter(method=method, call_id=call_id, is_genuine=True, is_repeat=False).first()
    known = {"call_id": call_id, "is_genuine": True, "is_repeat": same_call is not None}
    if same_call is not None and bytes(same_call.body) != call.body:
        return _contradict(method, call, OTHER_BODY, same_call.payment, known)
    payment = Payment.objects.filter(method=method, external_id=arrival.payment_id).first()
    if payment is None:
        payment = Payment.objects.create(
            method=method,
            external_id=arrival.payment_id,
            reference=arrival.reference,
            deposit_number=arrival.deposit,
            currency=arrival.currency,
            came_in=arrival.amount,
            seen_at=clock.now(),
            due_at=clock.now(),
        )
        keep_call(method, call, GatewayCall.Outcome.ACCEPTED, payment=payment, **known)
        hint_after_commit("billing.tasks.credit_payments")
        return Answer(HTTPStatus.ACCEPTED, "Thank you. The payment is being credited.")
    if not _is_same(payment, arrival):
        return _contradict(method, call, OTHER_ARRIVAL, payment, known)
    keep_call(method, call, GatewayCall.Outcome.REPEATED, payment=payment, **known)
    return Answer(HTTPStatus.OK, "This payment came before. Nothing was changed.")


def _is_same(payment: Payment, arrival: Arrival) -> bool:
    known = (payment.came_in, payment.currency, payment.reference, payment.deposit_number)
    return known == (arrival.amount, arrival.currency, arrival.reference, arrival.deposit)


def _contradict(
    method: PaymentMethod, call: Call, problem: str, payment: Payment | None, known: Mapping[str, Any]
) -> Answer:
    keep_call(method, call, GatewayCall.Outcome.CONFLICT, problem=problem, payment=payment, **known)
    raise_alert(
        cause=Cause.PAYMENT_CONFLICT,
        about=method.pk,
        text=f"{method.name} told two different things about one payment. The first one counts. {problem}",
        level=Alert.Level.DANGER,
    )
    return Answer(HTTPStatus.CONFLICT, problem)


def refuse_call(
    method: PaymentMethod, call: Call, status: HTTPStatus, problem: str, *, is_genuine: bool = False
) -> Answer:
    keep_call(method, call, GatewayCall.Outcome.REFUSED, problem=problem, is_genuine=is_genuine, is_repeat=is_genuine)
    return Answer(status, problem)


def keep_call(method: PaymentMethod, call: Call, outcome: str, **values: Any) -> None:
    """Store a call as it came, with what was decided about it."""
    kept = {name: call.headers[name][:MAX_HEADER] for name in KEPT_HEADERS if name in call.headers}
    is_genuine = values.get("is_genuine", False)
    GatewayCall.objects.create(
        method=method,
        outcome=outcome,
        headers=kept,
        # Anybody can send what is not genuine: too little of it is kept to fill a disk.
        body=call.body if is_genuine else call.body[:MAX_STRANGERS_BODY],
        size=call.size,
        address=call.address,
        received_at=clock.now(),
        **values,
    )
