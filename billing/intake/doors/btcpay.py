"""BTCPay Server, on a host of the owner's: Greenfield API v1.

What counts is the payment, not the invoice: a part, the rest, twice, too much and too late are all settled payments.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any, ClassVar, Literal
from urllib.parse import quote, urlencode

from billing.intake.addresses import clean_address, origin_of
from billing.intake.calls import Call
from billing.intake.fields import array_of, number_of, object_of, text_of, time_of, words_of
from billing.intake.gateways import (
    Asked,
    Created,
    Credential,
    Credentials,
    Effect,
    Gateway,
    GatewayError,
    GatewayRefused,
    Listed,
    Reading,
    Repair,
    Seen,
    Told,
    register,
)
from billing.intake.http import Reply, ask, read_exactly
from panel.lib.money import MoneyError, format_plain, micros_down
from panel.lib.signatures import BadSignature

# Minutes that an invoice can be paid, and is watched after it expired.
OPEN_MINUTES, WATCHED_MINUTES = 60, 1440
MIN_SECRET, MAX_CALL_ID = 16, 64
MAX_WORDS = 200
# Answers that mean a clear no. Any other may come from a server between, after the request passed it.
REFUSALS = (400, 401, 403, 404, 422)
CREATE, VIEW = "btcpay.store.cancreateinvoice", "btcpay.store.canviewinvoices"
SETTINGS = "btcpay.store.canviewstoresettings"
# What allows all that these do, and what else nobody needs who only receives.
MASTERS = ("unrestricted", "btcpay.store.canmodifystoresettings")
TOO_MUCH = (
    *MASTERS,
    "btcpay.server.canmodifyserversettings",
    "btcpay.server.canuseinternallightningnode",
    "btcpay.store.cancreatepullpayments",
    "btcpay.store.canmanagepayouts",
    "btcpay.store.canmanagepullpayments",
    "btcpay.store.canuselightningnode",
)
EVENTS = (
    "InvoiceCreated",
    "InvoiceReceivedPayment",
    "InvoicePaymentSettled",
    "InvoiceProcessing",
    "InvoiceSettled",
    "InvoiceExpired",
    "InvoiceExpiredPaidPartial",
    "InvoicePaidAfterExpiration",
    "InvoiceInvalid",
    "InvoiceRefund",
)
# In the ids of what “Test” on the page of a webhook sends.
TEST = "__test__"
# By a payment's status. Those that a later version adds wait.
EFFECTS = {"Settled": Effect.CREDIT, "Processing": Effect.WAIT, "Invalid": Effect.REVERSE}
# Invoices whose settled payments are credited. Marked by hand, they have only those that really came.
SOUND = ("New", "Processing", "Settled", "Expired")
# Invoices asked for at once, and in one list at most: each that was paid costs another question.
PAGE, MAX_LISTED = 100, 1_000
# How long before its last payment an invoice may have been created.
LONGEST = timedelta(minutes=OPEN_MINUTES + WATCHED_MINUTES, hours=24)


def _clean_site(text: str) -> str:
    address = clean_address(text) if text.strip() else ""
    if address.startswith("http:"):
        raise ValueError("Customers pay by https:// only.")
    return address


def _clean_store(text: str) -> str:
    if not text.isascii() or not text.isalnum():
        raise ValueError("An id of a store has letters and digits only. It is on the page of the store's settings.")
    return text


def _clean_secret(text: str) -> str:
    if len(text) < MIN_SECRET:
        raise ValueError(f"Take at least {MIN_SECRET} characters: whoever guesses it can forge calls.")
    return text


class BTCPay(Gateway):
    code: ClassVar[str] = "btcpay"
    label = "BTCPay Server: your own, coins go to your own wallet"
    credentials = (
        Credential(
            "host",
            "Address of your BTCPay Server",
            "As in your browser, such as https://pay.example.com, with the path if it has one. A server in your own "
            "network needs PAYMENT_PRIVATE_HOSTS in the panel's environment.",
            is_secret=False,
            clean=clean_address,
        ),
        Credential(
            "site",
            "Address for customers",
            "Only if customers open it by another address than the panel does. It begins with https://.",
            is_secret=False,
            is_required=False,
            clean=_clean_site,
        ),
        Credential("store", "Store ID", "Store › Settings › General, at the top.", is_secret=False, clean=_clean_store),
        Credential(
            "key",
            "API key",
            f"Account › Manage account › API keys › Generate. Select the store, and only “{CREATE}” and “{VIEW}”: "
            "such a key can receive money and never send it.",
        ),
        Credential(
            "secret",
            "Secret of the webhook",
            "Store › Settings › Webhooks › Create: copy the secret that stands there before you save.",
            clean=_clean_secret,
        ),
    )
    repair = Repair.LOOK_UP
    can_list = True
    webhook_help = (
        "In BTCPay Server, Store › Settings › Webhooks › Create webhook: paste this as the payload URL, leave "
        "automatic redelivery on, and send all events. Then press “Test” there: the call arrives here at once."
    )
    manual = "docs/payments/btcpay.md"

    def origins_for(self, credentials: Credentials) -> Sequence[str]:
        site = _site(credentials)
        return (origin_of(site),) if site else ()

    def create(self, asked: Asked, credentials: Credentials) -> Created:
        _refuse_without_site(credentials)
        wanted = {
            "amount": format_plain(asked.amount),
            "currency": asked.currency,
            "metadata": {"orderId": asked.our_ref},
            "checkout": {
                "expirationMinutes": OPEN_MINUTES,
                "monitoringMinutes": WATCHED_MINUTES,
                "speedPolicy": "MediumSpeed",
                "paymentTolerance": 0,
                "redirectURL": asked.return_url,
            },
        }
        return _created(_ask("POST", "/invoices", credentials, body=json.dumps(wanted).encode()), credentials)

    def look_up(self, asked: Asked, credentials: Credentials) -> Created | None:
        invoices = _invoices(credentials, orderId=asked.our_ref)
        ours = [one for one in invoices if _our_ref(one) == asked.our_ref]
        # Of several, always the same one.
        return _created(min(ours, key=_created_time), credentials) if ours else None

    def read(self, asked: Asked, credentials: Credentials) -> Reading:
        invoice = object_of(_ask("GET", f"/invoices/{quote(asked.external_id, safe='')}", credentials))
        if invoice.get("id") != asked.external_id:
            raise GatewayError("It answered with another invoice.")
        seen = [seen for seen, _ in _payments(invoice, credentials)]
        return Reading(_our_ref(invoice), seen, is_over=invoice.get("status") in ("Settled", "Expired", "Invalid"))

    def verify(self, call: Call, credentials: Credentials) -> Told:
        secret = credentials.get("secret", "")
        if not secret:  # Anybody can sign with an empty one.
            raise BadSignature("No secret of the webhook is stored.")
        right = "sha256=" + hmac.new(secret.encode(), call.body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(right.encode(), call.headers.get("btcpay-sig", "").encode("utf-8", "replace")):
            raise BadSignature("The header BTCPay-Sig does not sign these bytes with the secret of the webhook.")
        try:
            event = object_of(read_exactly(call.body))
        except GatewayError as error:
            raise BadSignature(str(error)) from None
        call_id, invoice_id = words_of(event, "originalDeliveryId"), words_of(event, "invoiceId")
        if not 0 < len(call_id) <= MAX_CALL_ID:
            call_id = hashlib.sha256(call.body).hexdigest()
        return Told(
            call_id,
            our_ref=_our_ref(event),
            external_id=invoice_id,
            url=_url(invoice_id, credentials),
            is_test=invoice_id.startswith(TEST),
            is_ignored=not invoice_id or words_of(event, "type") not in EVENTS,
        )

    def check(self, credentials: Credentials) -> str:
        _refuse_without_site(credentials)
        key = object_of(_read("GET", "/api/v1/api-keys/current", credentials))
        store = credentials["store"]
        rights = {one for one in array_of(key.get("permissions")) if isinstance(one, str)}
        has = {right.partition(":")[0] for right in rights if right.partition(":")[2] in ("", store)}
        powers, is_master = sorted(has.intersection(TOO_MUCH)), bool(has.intersection(MASTERS))
        missing = [right for right in (CREATE, VIEW) if right not in has]
        if missing and not is_master:
            raise GatewayRefused(
                f"The key lacks {' and '.join(missing)} for the store {store}. Make one that has both."
            )
        _invoices(credentials, take=1)
        name = words_of(object_of(_ask("GET", "", credentials)), "name") if SETTINGS in has or is_master else ""
        words = f"It answers. The key can create and read invoices of the store {name or store}."
        if powers:
            words += f" It can do much more ({', '.join(powers)}): a key with only {CREATE} and {VIEW} is safer."
        return words

    def list_payments(self, begin: datetime, end: datetime, credentials: Credentials) -> Sequence[Listed]:
        period = {"startDate": int((begin - LONGEST).timestamp()), "endDate": int(end.timestamp()) + 1}
        found: dict[str, dict[str, Any]] = {}
        for skip in range(0, MAX_LISTED + 1, PAGE):
            page = _invoices(credentials, **period, skip=skip, take=PAGE)
            found |= {text_of(one, "id"): one for one in page}
            if len(page) < PAGE:
                break
        else:
            raise GatewayError(f"It has more than {MAX_LISTED} invoices of these days. Ask for fewer days.")
        return [
            Listed(seen, _our_ref(invoice), at)
            for invoice in found.values()
            if not _is_unpaid(invoice)
            for seen, at in _payments(invoice, credentials)
            if begin <= at < end
        ]


# -- questions -------------------------------------------------------------------------------------------


def _ask(method: Literal["POST", "GET"], path: str, credentials: Credentials, *, body: bytes = b"") -> Any:
    """Ask about the store."""
    return _read(method, f"/api/v1/stores/{quote(credentials['store'], safe='')}{path}", credentials, body=body)


def _read(method: Literal["POST", "GET"], path: str, credentials: Credentials, *, body: bytes = b"") -> Any:
    headers = {"Authorization": f"token {credentials['key']}"}
    reply = ask(method, credentials["host"] + path, body=body, headers=headers)
    if reply.status in REFUSALS:
        raise GatewayRefused(_why(reply))
    if reply.status != 200:
        raise GatewayError(f"It answers {reply.status}.")
    return reply.data


def _why(reply: Reply) -> str:
    """Return what a refusal says: a list of fields, a code with a message, or nothing at all."""
    if reply.status == 401:
        return "It does not know the API key."
    said = reply.data if isinstance(reply.data, list) else [reply.data]
    parts = [part for one in said if isinstance(one, dict) if (part := words_of(one, "message"))]
    words = " ".join(" ".join(parts).split())[:MAX_WORDS]
    if reply.status == 403:
        return f"The API key may not do this: {words or 'it lacks a permission.'}"
    return f"It refused ({reply.status}): {words}" if words else f"It refused ({reply.status})."


def _invoices(credentials: Credentials, **query: str | int) -> list[dict[str, Any]]:
    return [object_of(one) for one in array_of(_ask("GET", f"/invoices?{urlencode(query)}", credentials))]


def _payments(invoice: dict[str, Any], credentials: Credentials) -> Iterator[tuple[Seen, datetime]]:
    """Yield each payment of an invoice and when it was received.

    Those that do not count are asked for as well: one that was credited and then became invalid would be missing.
    """
    invoice_id, currency = text_of(invoice, "id"), text_of(invoice, "currency").upper()
    path = f"/invoices/{quote(invoice_id, safe='')}/payment-methods?onlyAccountedPayments=false"
    for way in array_of(_ask("GET", path, credentials)):
        way = object_of(way)
        for payment in array_of(way.get("payments")):
            payment = object_of(payment)
            status, of_invoice = text_of(payment, "status"), text_of(invoice, "status")
            seen = Seen(
                f"{invoice_id}:{text_of(way, 'paymentMethodId')}:{text_of(payment, 'id')}",
                _came_in(payment, way),
                currency,
                effect_of(of_invoice, status),
                f"{status}, of an invoice that is {of_invoice} ({words_of(invoice, 'additionalStatus')})",
            )
            yield seen, time_of(payment, "receivedDate")


def effect_of(invoice: str, payment: str) -> Effect:
    """Return what a payment's status means in an invoice of a status."""
    effect = EFFECTS.get(payment, Effect.WAIT)
    return Effect.HOLD if effect is Effect.CREDIT and invoice not in SOUND else effect


def _came_in(payment: dict[str, Any], way: dict[str, Any]) -> int:
    """Return the micro-units that a payment brought, without the network fee that the store had added."""
    rate = number_of(way, "rate")
    if rate == 0:
        raise GatewayError("It names a payment without a rate.")
    with localcontext() as context:
        context.prec = 100
        worth = max(number_of(payment, "value") - number_of(payment, "fee", default="0"), Decimal(0)) * rate
    try:
        return micros_down(worth)
    except MoneyError:
        raise GatewayError("It names a payment that is out of range.") from None


def _is_unpaid(invoice: dict[str, Any]) -> bool:
    return invoice.get("status") in ("New", "Expired") and number_of(invoice, "paidAmount", default="1") == 0


def _created(answer: Any, credentials: Credentials) -> Created:
    invoice = object_of(answer)
    invoice_id = text_of(invoice, "id")
    return Created(invoice_id, _url(invoice_id, credentials), time_of(invoice, "expirationTime"))


# -- where customers pay ---------------------------------------------------------------------------------


def _site(credentials: Credentials) -> str:
    """Return the address that customers open, "" if there is none by https."""
    site = credentials.get("site") or credentials.get("host", "")
    return site if site.startswith("https://") else ""


def _refuse_without_site(credentials: Credentials) -> None:
    if not _site(credentials):
        raise GatewayRefused("Customers cannot open it: its address is not https. Fill in the address for customers.")


def _url(invoice_id: str, credentials: Credentials) -> str:
    """Return where an invoice is paid, always on the owner's own site.

    `checkoutLink` is not followed: it names whatever host the request came by, also one of the own network.
    """
    site = _site(credentials)
    return f"{site}/i/{quote(invoice_id, safe='')}" if site and invoice_id else ""


def _created_time(invoice: Mapping[str, Any]) -> datetime:
    return time_of(invoice, "createdTime")


def _our_ref(record: Mapping[str, Any]) -> str:
    metadata = record.get("metadata")
    return words_of(metadata, "orderId") if isinstance(metadata, dict) else ""


register(BTCPay())
