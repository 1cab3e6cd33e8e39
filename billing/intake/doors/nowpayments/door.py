"""NOWPayments: coins of many networks. The customer chooses one on our page and pays to an address of its own.

It asks for payments, not for its invoices: a payment can be read at once, and its address is shown on our page.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import urlencode

from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_aware

from billing.intake.calls import Call
from billing.intake.doors.nowpayments import coins
from billing.intake.doors.nowpayments.figures import FINAL, Answer, child_seen, first_seen, id_in, number_in, text_in
from billing.intake.doors.nowpayments.signature import is_signed
from billing.intake.gateways import (
    SANDBOX,
    Asked,
    Created,
    Credential,
    Credentials,
    Gateway,
    GatewayError,
    GatewayRefused,
    Listed,
    Option,
    Reading,
    Repair,
    Told,
)
from billing.intake.http import Reply, ask, read_exactly
from panel.lib.money import MoneyError, format_plain, micros_up
from panel.lib.signatures import BadSignature

LIVE, SANDBOX_SITE = "https://api.nowpayments.io/v1", "https://api-sandbox.nowpayments.io/v1"
# Coins offered at once: each costs a question about its minimum.
MAX_COINS = 30
# Minimums move with the market, and coins below them are lost to the payer until staff help.
MARGIN = Decimal("1.03")
PAGE, MAX_PAGES = 500, 20


class NowPayments(Gateway):
    code = "nowpayments"
    label = "NOWPayments: coins, to your own wallet"
    manual = "docs/payments/nowpayments.md"
    webhook_help = "You need not type this anywhere: each payment carries it."
    credentials = (
        Credential("key", "API key", "From the settings of your account there. It can only receive."),
        Credential(
            "ipn_secret",
            "IPN secret",
            "It signs their calls; without it they send none, and payments are found up to 15 minutes later.",
            is_required=False,
        ),
        Credential(
            "coins",
            "Coins to offer",
            "Their codes, such as: usdttrc20, btc, ltc. Empty for the usual ones.",
            is_secret=False,
            is_required=False,
        ),
        Credential(
            "pegged",
            "Coins worth one unit of your currency",
            "What is sent again, or in another coin, is credited by what you got for it if that is one of these, such "
            "as: usdt*, usdc*. Otherwise it waits for you.",
            is_secret=False,
            is_required=False,
        ),
    )
    # The same reference again makes a second payment, and no search finds the first one.
    repair = Repair.NONE
    can_list = True
    has_options = True

    def __init__(self, *, live: str = LIVE, sandbox: str = SANDBOX_SITE) -> None:
        self.live = live
        self.sandbox = sandbox

    def create(self, asked: Asked, credentials: Credentials) -> Created:
        wanted = json.dumps(
            {
                "price_currency": asked.currency.lower(),
                "pay_currency": asked.option,
                "order_id": asked.our_ref,
                "order_description": "Wallet top-up",
                "ipn_callback_url": asked.callback_url,
                "is_fixed_rate": False,
                "is_fee_paid_by_user": False,
            }
        )
        # The amount is a number there, and a float would not be exact.
        body = f'{wanted[:-1]}, "price_amount": {format_plain(asked.amount)}}}'
        payment = _object(self._accepted(self._ask("POST", "payment", credentials, body=body.encode())))
        found, address = id_in(payment, "payment_id"), text_in(payment, "pay_address")
        if not found or not address or id_in_text(payment, "order_id") != asked.our_ref:
            raise GatewayError("Its answer names no payment of ours.")
        # It takes coins for a week. Waiting a day for them, a customer's other requests are not kept from being sent,
        # and what comes later is found as well.
        return Created(found, url="", details=_details(payment, is_new=True))

    def read(self, asked: Asked, credentials: Credentials) -> Reading:
        payment = self._payment(asked.external_id, credentials)
        if payment is None:
            raise GatewayRefused(f"It does not know payment {asked.external_id}. Is the key that of another account?")
        seen, problems = [first_seen(payment, asked)], []
        for payment_id in asked.told:
            child = self._payment(payment_id, credentials)
            if problem := _not_of(asked, payment_id, child):
                problems.append(problem)
            elif child is not None:
                seen.append(child_seen(child, currency=asked.currency, pegged=_codes(credentials, "pegged")))
        details = _details(payment)
        if len(seen) > 1:
            details["left"] = ""  # How much of it was sent again is not known in its coin.
        return Reading(
            our_ref=id_in_text(payment, "order_id"),
            seen=seen,
            is_over=text_in(payment, "payment_status") in FINAL,
            details=details,
            problems=problems,
        )

    def verify(self, call: Call, credentials: Credentials) -> Told:
        signature = call.headers.get("x-nowpayments-sig", "")
        if not is_signed(body=call.body, signature=signature, secret=credentials.get("ipn_secret", "")):
            raise BadSignature("The IPN secret of this method did not sign this body.")
        try:
            payment = _object(Reply(HTTPStatus.OK, read_exactly(call.body)))
        except GatewayError as error:
            raise BadSignature(str(error)) from None
        call_id, our_ref = sha256(call.body).hexdigest(), id_in_text(payment, "order_id")
        if parent := id_in(payment, "parent_payment_id"):
            return Told(call_id, our_ref, external_id=parent, payment_id=id_in(payment, "payment_id"))
        return Told(call_id, our_ref, external_id=id_in(payment, "payment_id"))

    def hint(self, call: Call) -> str:
        try:
            payment = _object(Reply(HTTPStatus.OK, read_exactly(call.body)))
        except GatewayError:
            return ""
        return id_in(payment, "parent_payment_id") or id_in(payment, "payment_id")

    def check(self, credentials: Credentials) -> str:
        # The state of the service is told to everybody; this is told to keys that work.
        self._accepted(self._ask("GET", "currencies", credentials))
        if not credentials.get("ipn_secret"):
            return "The key works. Without an IPN secret they send no calls, so payments are found by asking."
        return "The key works. Whether the IPN secret is right, the first payment shows."

    def options(self, currency: str, credentials: Credentials) -> Sequence[Option]:
        answer = _object(self._accepted(self._ask("GET", "currencies", credentials)))
        available = answer.get("currencies")
        if not isinstance(available, list):
            raise GatewayError("Its list of coins cannot be read.")
        wanted = _codes(credentials, "coins") or coins.USUAL
        codes = [code for code in dict.fromkeys(wanted) if code in available][:MAX_COINS]
        found = (self._option(code, currency.lower(), credentials) for code in codes)
        return [option for option in found if option]

    def _option(self, code: str, currency: str, credentials: Credentials) -> Option | None:
        query = urlencode({"currency_from": code, "fiat_equivalent": currency})
        reply = self._ask("GET", f"min-amount?{query}", credentials)
        if reply.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND):
            return None  # It is not paid out for this coin at the moment.
        try:
            minimum = micros_up(number_in(_object(self._accepted(reply)), "fiat_equivalent") * MARGIN)
        except MoneyError as error:
            raise GatewayError(f"A minimum cannot be: {error}") from error
        return Option(code, coins.name_of(code), coins.network_of(code), minimum)

    def list_payments(self, begin: datetime, end: datetime, credentials: Credentials) -> Sequence[Listed]:
        found: dict[str, Answer] = {}
        # It takes days. What lies outside of the period is dropped below.
        days = {"dateFrom": begin.date().isoformat(), "dateTo": (end + timedelta(days=1)).date().isoformat()}
        for page in range(MAX_PAGES):
            query = urlencode({"limit": PAGE, "page": page, "sortBy": "created_at", "orderBy": "asc", **days})
            reply = self._ask("GET", f"payment/?{query}", credentials)
            if reply.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                raise GatewayRefused(
                    "It does not give its list to this key alone, but to somebody who is signed in there. Compare the "
                    "payments in its dashboard."
                )
            rows = _object(self._accepted(reply)).get("data")
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise GatewayError("Its list cannot be read.")
            found.update({id_in(row, "payment_id"): row for row in rows})
            if "" in found:
                raise GatewayError("Its list has a payment without an id.")
            if len(rows) < PAGE:
                return _listed(found, begin, end, _codes(credentials, "pegged"))
        raise GatewayError(f"Its list has more than {PAGE * MAX_PAGES} payments. Choose a shorter period.")

    # -- the wire ------------------------------------------------------------------------------------------

    def _payment(self, payment_id: str, credentials: Credentials) -> Answer | None:
        """Return a payment, None if there is none with this id."""
        reply = self._ask("GET", f"payment/{payment_id}", credentials)
        if reply.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND):
            return None
        payment = _object(self._accepted(reply))
        if id_in(payment, "payment_id") != payment_id:
            raise GatewayError("It answers about another payment.")
        return payment

    def _ask(self, method: Literal["POST", "GET"], path: str, credentials: Credentials, *, body: bytes = b"") -> Reply:
        site = self.sandbox if SANDBOX in credentials else self.live
        return ask(method, f"{site}/{path}", body=body, headers={"x-api-key": credentials["key"]})

    @staticmethod
    def _accepted(reply: Reply) -> Reply:
        if reply.status == HTTPStatus.REQUEST_TIMEOUT:
            raise GatewayError("It answers 408.")
        if reply.status >= HTTPStatus.BAD_REQUEST:
            words = text_in(reply.data, "message")[:200] if isinstance(reply.data, dict) else ""
            raise GatewayRefused(f"It answers {int(reply.status)}: {words or 'without a reason'}")
        return reply


def id_in_text(answer: Answer, name: str) -> str:
    """Return our own reference as it came back, "" if there is none."""
    return text_in(answer, name) or id_in(answer, name)


def _object(reply: Reply) -> dict[str, Any]:
    if not isinstance(reply.data, dict):
        raise GatewayError("Its answer is no object.")
    return reply.data


def _codes(credentials: Credentials, name: str) -> list[str]:
    return credentials.get(name, "").lower().replace(",", " ").split()


def _time_in(answer: Answer, name: str) -> datetime | None:
    try:
        found = parse_datetime(text_in(answer, name))
    except ValueError:
        return None
    return found if found and is_aware(found) else None


def _details(payment: Answer, *, is_new: bool = False) -> dict[str, str]:
    """Return what the payer needs, without an address whose memo this answer may have left out."""
    code, memo = text_in(payment, "pay_currency").lower(), id_in_text(payment, "payin_extra_id")
    due, paid = number_in(payment, "pay_amount"), number_in(payment, "actually_paid")
    is_short = text_in(payment, "payment_status") == "partially_paid" and due > paid
    found = {
        "coin": coins.name_of(code),
        "network": coins.network_of(code, text_in(payment, "network")),
        "amount": f"{due:f}" if due else "",
        "left": f"{due - paid:f}" if is_short else "",
    }
    if is_new or code not in coins.MEMO or memo:
        found |= {"address": text_in(payment, "pay_address"), "memo": memo}
    return found


def _not_of(asked: Asked, payment_id: str, child: Answer | None) -> str:
    """Return why a further payment that a call named is not of the invoice, "" if it is."""
    if child is None:
        return f"told of payment {payment_id} for {asked.our_ref}, but does not know it."
    parent, our_ref = id_in(child, "parent_payment_id"), id_in_text(child, "order_id")
    if (parent or our_ref) and parent in ("", asked.external_id) and our_ref in ("", asked.our_ref):
        return ""
    return (
        f"told of payment {payment_id} for {asked.our_ref}, but says when asked that it is for "
        f"{our_ref or parent or 'nothing'}. Nothing of it is credited."
    )


def _listed(found: dict[str, Answer], begin: datetime, end: datetime, pegged: Sequence[str]) -> list[Listed]:
    listed = []
    for row in found.values():
        at, parent = _time_in(row, "created_at"), id_in(row, "parent_payment_id")
        if at is None:
            raise GatewayError("A time in its list cannot be read.")
        if begin <= at < end:
            currency = text_in(row, "price_currency").upper()
            seen = child_seen(row, currency=currency, pegged=pegged) if parent else first_seen(row)
            our_ref = id_in_text(row, "order_id") or id_in_text(found.get(parent, {}), "order_id")
            listed.append(Listed(seen, our_ref, at))
    return listed
