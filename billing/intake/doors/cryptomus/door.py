"""The door of Cryptomus, and that of Heleket, which speaks the same protocol at another host."""

from __future__ import annotations

import hashlib
import json
import string
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import quote

from billing.intake.calls import Call
from billing.intake.doors.cryptomus.answers import Invoice, name_in, read_invoice, seen_in
from billing.intake.doors.cryptomus.signature import read_signed, sign
from billing.intake.gateways import (
    Asked,
    Created,
    Credential,
    Credentials,
    Gateway,
    GatewayError,
    GatewayRefused,
    Listed,
    Reading,
    Repair,
    Told,
)
from billing.intake.http import ask
from panel.lib.money import CENT, MICRO, ceil_div

# Seconds for which an invoice keeps its rate.
LIFETIME = 3_600
# Characters of an address, and of the one of a test call.
MIN_URL, MAX_URL, MAX_TEST_URL = 6, 255, 150
MAX_REF = 128
# The answers that say that nothing was done.
REFUSALS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY)
# The name in test calls. No reference of ours is like it: they have a number.
TEST_REF = "test-of-the-connection"
MAX_PAGES = 500
# Nobody says in which zone the list reads days: more is asked for than is wanted, and chosen here.
MARGIN = timedelta(days=1)
MAX_WORDS = 200


class Cryptomus(Gateway):
    """Cryptomus. `host` is given by tests only."""

    code: ClassVar[str] = "cryptomus"
    label = "Cryptomus"
    credentials = (
        Credential("merchant", "Merchant ID", "Of the merchant's settings there.", is_secret=False),
        Credential(
            "payment_key",
            "Payment API key",
            "The key for payments, of the merchant's settings. Never store the payout key here: it can send your money "
            "away, and is not needed.",
        ),
    )
    repair = Repair.CREATE
    origins = ("https://pay.cryptomus.com",)
    can_list = True
    sends_tests = True
    webhook_help = "It is told this address with each invoice: there is nothing to enter. Send a test call to see it."
    manual = "docs/payments/heleket-and-cryptomus.md"
    host = "https://api.cryptomus.com"

    def __init__(self, host: str = "") -> None:
        self.host = host or self.host

    def create(self, asked: Asked, credentials: Credentials) -> Created:
        """Create the invoice. A second one under the same reference is not made: the first one is returned."""
        for url in (asked.callback_url, asked.return_url):
            if not MIN_URL <= len(url) <= MAX_URL:
                raise GatewayRefused(f"It takes addresses of {MIN_URL} to {MAX_URL} characters: {url[:MAX_URL]}…")
        if not _is_ref(asked.our_ref):
            raise GatewayRefused(f"It takes references of letters, digits, “_” and “-” only: {asked.our_ref}")
        amount = _in_cents(asked.amount)
        wanted = {
            "amount": amount,
            "currency": asked.currency,
            "order_id": asked.our_ref,
            "url_callback": asked.callback_url,
            "url_return": asked.return_url,
            "lifetime": LIFETIME,
            "is_payment_multiple": True,
        }
        invoice = read_invoice(self._ask("/v1/payment", credentials, wanted))
        if invoice.order_id != asked.our_ref:
            raise GatewayError(f"It answers with another invoice, {invoice.order_id}.")
        if doubt := _difference(invoice, asked):
            raise GatewayRefused(f"{doubt} It has had this reference before. The customer was not sent there.")
        return Created(invoice.uuid, invoice.url, invoice.expires_at, invoice.details)

    def read(self, asked: Asked, credentials: Credentials) -> Reading:
        """Read by our reference, which is unique there. What does not match the invoice as we know it is held."""
        invoice = read_invoice(self._ask("/v1/payment/info", credentials, {"order_id": asked.our_ref}))
        seen = seen_in(invoice, doubt=_difference(invoice, asked))
        return Reading(invoice.order_id, [seen] if seen else [], invoice.is_over, invoice.details)

    def verify(self, call: Call, credentials: Credentials) -> Told:
        """Calls have no id, so the digest of the body is theirs: each status of an invoice is a call of its own.

        Our reference names the invoice alone: a test from their site has a made-up uuid beside it.
        """
        told = read_signed(call.body, credentials["payment_key"])
        our_ref, call_id = name_in(told, "order_id"), hashlib.sha256(call.body).hexdigest()
        return Told(call_id, our_ref, "" if our_ref else name_in(told, "uuid"), is_test=our_ref == TEST_REF)

    def check(self, credentials: Credentials) -> str:
        offered = self._ask("/v1/payment/services", credentials)
        if not isinstance(offered, list):
            raise GatewayError("It answers, but not with what customers can pay by.")
        return f"{self.label} knows the merchant and the payment key. Customers can pay by {len(offered)} coins."

    def list_payments(self, begin: datetime, end: datetime, credentials: Credentials) -> Sequence[Listed]:
        """Return the payments of the invoices that were created in the time: its list is by that."""
        wanted = {"date_from": _as_day(begin - MARGIN), "date_to": _as_day(end + MARGIN)}
        found: dict[str, Listed] = {}
        cursor, cursors = "", set()
        for _ in range(MAX_PAGES):
            page = self._ask(f"/v1/payment/list{cursor}", credentials, wanted)
            items, following = _page_of(page)
            for invoice in map(read_invoice, items):
                if invoice.created_at is None:
                    raise GatewayError(f"It lists invoice {invoice.order_id} without its time.")
                seen = seen_in(invoice) if begin <= invoice.created_at < end else None
                if seen and seen.came_in:
                    found[seen.external_id] = Listed(seen, invoice.order_id, invoice.created_at)
            if not following:
                return list(found.values())
            if following in cursors:
                break
            cursors.add(following)
            cursor = f"?cursor={quote(following, safe='')}"
        raise GatewayError("Its list does not end. Ask about fewer days.")

    def send_test(self, callback_url: str, credentials: Credentials) -> str:
        if len(callback_url) > MAX_TEST_URL:
            raise GatewayRefused(f"It tests addresses of at most {MAX_TEST_URL} characters.")
        wanted = {
            "url_callback": callback_url,
            "currency": "USDT",
            "network": "tron",
            "order_id": TEST_REF,
            "status": "paid",
        }
        self._ask("/v1/test-webhook/payment", credentials, wanted)
        return f"{self.label} says that it sent a test call. Look whether it came in; nothing is credited by it."

    def _ask(self, path: str, credentials: Credentials, wanted: Mapping[str, Any] | None = None) -> Any:
        """Return the result in an answer. Any state but 0 is an error, whatever its HTTP status."""
        body = json.dumps(wanted, separators=(",", ":")).encode() if wanted else b""
        headers = {"merchant": credentials["merchant"], "sign": sign(body, credentials["payment_key"])}
        reply = ask("POST", f"{self.host}{path}", body=body, headers=headers)
        answer = reply.data if isinstance(reply.data, dict) else {}
        state = answer.get("state")
        if reply.status == HTTPStatus.OK and state == 0 and state is not False:
            return answer.get("result")
        words = f"It answers {reply.status}: {_words_of(answer)}"
        if state and reply.status in REFUSALS:
            raise GatewayRefused(words)
        raise GatewayError(words)


class Heleket(Cryptomus):
    """Heleket. `host` is given by tests only."""

    code = "heleket"
    label = "Heleket"
    origins = ("https://pay.heleket.com",)
    host = "https://api.heleket.com"


def _is_ref(text: str) -> bool:
    return 1 <= len(text) <= MAX_REF and set(text) <= set(string.ascii_letters + string.digits + "_-")


def _in_cents(amount: int) -> str:
    """Return micro-units as a decimal text of whole cents, rounded up: all that is known to be taken."""
    cents = ceil_div(amount, CENT)
    return f"{cents * CENT // MICRO}.{cents % (MICRO // CENT):02d}"


def _difference(invoice: Invoice, asked: Asked) -> str:
    """Return how the gateway's invoice differs from what was asked for, "" if it does not."""
    if asked.external_id and invoice.uuid != asked.external_id:
        return f"It is invoice {invoice.uuid} there, not {asked.external_id}."
    if (invoice.amount, invoice.currency) != (Decimal(_in_cents(asked.amount)), asked.currency):
        return f"It is about {invoice.amount} {invoice.currency}, not {_in_cents(asked.amount)} {asked.currency}."
    return ""


def _as_day(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _page_of(page: Any) -> tuple[list[Any], str]:
    """Return the items of a page of the list, and the cursor of the next page, "" for the last."""
    items = page.get("items") if isinstance(page, dict) else None
    paginate = page.get("paginate") if isinstance(page, dict) else None
    following = paginate.get("nextCursor") if isinstance(paginate, dict) else False
    if not isinstance(items, list) or not isinstance(following, str | None):
        raise GatewayError("It answers without a list of invoices.")
    return items, following or ""


def _words_of(answer: Mapping[str, Any]) -> str:
    """Return what is wrong in one line: “amount: validation.required”, or the gateway's sentence."""
    errors, message = answer.get("errors"), answer.get("message")
    if isinstance(errors, dict):
        lines = (
            f"{name}: {', '.join(map(str, said if isinstance(said, list) else [said]))}"
            for name, said in errors.items()
        )
        message = "; ".join(lines)
    words = " ".join(str(message or "").split()) or "no reason"
    return f"{words[:MAX_WORDS]}."
