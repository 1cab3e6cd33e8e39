"""BTCPay Server as its documents describe it: Greenfield over HTTP, with books of its own, kept in coins.

Money are texts, fields that it refuses come as a list with 422, an unknown key gets an empty 401 and a missing
permission a code with 403. What is worth what is computed with fractions, and calls are signed by `cryptography`:
neither as the door does it.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC

from tests.gateway.loopback import Handler, Loopback, serving

STORE, KEY, SECRET = "HPPHFtPYFLw2gC", "a-key-of-the-store", "btcpay-webhook-secret-1"
SITE = "https://pay.example.com"
RIGHTS = [f"btcpay.store.cancreateinvoice:{STORE}", f"btcpay.store.canviewinvoices:{STORE}"]
# Dollars for a coin: every amount of dollars has an exact amount of coins.
RATE = "2"


@dataclass
class Coins:
    """A payment. `value` and `fee` are coins, as decimal texts."""

    id: str
    value: str
    status: str = "Settled"
    fee: str = "0"
    way: str = "LTC-CHAIN"
    at: float = field(default_factory=time.time)


@dataclass
class Bill:
    """An invoice, with dollars for a coin by its ways to pay."""

    id: str
    ref: str
    amount: str
    currency: str
    checkout: dict[str, Any]
    status: str = "New"
    additional: str = "None"
    rates: dict[str, str] = field(default_factory=lambda: {"LTC-CHAIN": RATE})
    payments: list[Coins] = field(default_factory=list)
    at: float = field(default_factory=time.time)

    def worth(self, payment: Coins) -> int:
        """Return the millionths of a dollar that a payment brings, rounded down."""
        coins = max(Fraction(payment.value) - Fraction(payment.fee), Fraction(0))
        return int(coins * Fraction(self.rates[payment.way]) * 1_000_000)


class Books:
    """What the server knows, and how it misbehaves next: `faults` as those of `tests.gateway.server`."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.invoices: dict[str, Bill] = {}
        self.faults: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.rights = list(RIGHTS)
        self._ids = count(1)

    def fails(self, fault: str) -> bool:
        with self.lock:
            if self.faults[fault] <= 0:
                return False
            self.faults[fault] -= 1
            return True

    def create(self, ref: str, amount: str, currency: str = "USD", checkout: Any = None) -> Bill:
        with self.lock:
            bill = Bill(f"K9n{next(self._ids)}", ref, amount, currency, checkout or {})
            self.invoices[bill.id] = bill
            return bill

    def by_ref(self, ref: str) -> Bill | None:
        with self.lock:
            return next((bill for bill in self.invoices.values() if bill.ref == ref), None)

    def pay(self, ref: str, dollars: str, **values: Any) -> Coins:
        """Pay an invoice with the coins for so many dollars; it is settled once enough has come."""
        coins = Fraction(dollars) / Fraction(RATE)
        units = coins * 10**8
        assert units.denominator == 1
        return self.send(ref, f"{int(units) // 10**8}.{int(units) % 10**8:08d}", **values)

    def send(self, ref: str, value: str, **values: Any) -> Coins:
        with self.lock:
            bill = self.by_ref(ref)
            assert bill is not None, ref
            payment = Coins(f"{next(self._ids):064x}-0", value, **values)
            bill.payments.append(payment)
            self._settle(bill)
            return payment

    def expire(self) -> None:
        """Let an hour pass."""
        with self.lock:
            for bill in self.invoices.values():
                if bill.status == "New":
                    bill.status = "Expired"

    @staticmethod
    def _settle(bill: Bill) -> None:
        asked = int(Fraction(bill.amount) * 1_000_000)
        here = sum(bill.worth(one) for one in bill.payments if one.status == "Settled")
        coming = here + sum(bill.worth(one) for one in bill.payments if one.status == "Processing")
        if bill.status in ("New", "Processing"):
            bill.status = "Settled" if here >= asked else "Processing" if coming >= asked else "New"
            bill.additional = "PaidOver" if coming > asked else "PaidPartial" if 0 < coming < asked else "None"
        elif bill.status == "Settled" and coming > asked:
            bill.additional = "PaidOver"
        elif bill.status == "Expired" and coming:
            bill.additional = "PaidLate" if coming >= asked else "PaidPartial"

    def sums(self) -> Counter[str]:
        """Return what really came in for each reference, in millionths."""
        found: Counter[str] = Counter()
        for bill in self.invoices.values():
            for payment in bill.payments:
                if payment.status == "Settled":
                    found[bill.ref] += bill.worth(payment)
        return found

    def message(self, ref: str, *, secret: str = SECRET, **values: Any) -> tuple[bytes, dict[str, str]]:
        """Return the body and headers of a call about an invoice, indented as the server writes it."""
        bill, delivery = self.by_ref(ref), f"8uQ{next(self._ids)}"
        told = {
            "storeId": STORE,
            "invoiceId": bill.id if bill else "",
            "metadata": {"orderId": ref},
            "deliveryId": delivery,
            "webhookId": "4mzzBAWn1sGNpT",
            "originalDeliveryId": delivery,
            "isRedelivery": False,
            "type": "InvoicePaymentSettled",
            "timestamp": int(time.time()),
        } | values
        body = json.dumps(told, indent=2).encode()
        return body, {"btcpay-sig": signature(body, secret)}


def signature(body: bytes, secret: str) -> str:
    mac = HMAC(secret.encode(), hashes.SHA256())
    mac.update(body)
    return f"sha256={mac.finalize().hex()}"


class _Handler(Handler):
    server: Server

    def do_POST(self) -> None:
        books, asked = self.server.books, json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        books.calls["create"] += 1
        if books.fails("create:dropped"):
            return self.hang_up()
        if books.fails("create:refused"):
            return self.say(422, [{"path": "Amount", "message": "The amount should be 0 or more."}])
        if not self.may("cancreateinvoice"):
            return None
        if self.path != f"{self.server.prefix}/api/v1/stores/{STORE}/invoices":
            return self.say(404, {"code": "store-not-found", "message": "The store was not found"})
        bill = books.create(asked["metadata"]["orderId"], asked["amount"], asked["currency"], asked["checkout"])
        if books.fails("create:lost"):
            return self.hang_up()
        return self.say(200, b"<html>" if books.fails("create:garbled") else self.shown(bill))

    def do_GET(self) -> None:
        books, url = self.server.books, urlsplit(self.path.removeprefix(self.server.prefix))
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        parts = url.path.removeprefix("/api/v1/").split("/")
        if parts == ["api-keys", "current"]:
            return self.say(200, {"apiKey": KEY, "label": "", "permissions": books.rights}) if self.may("") else None
        if parts == ["stores", STORE]:
            return self.say(200, {"id": STORE, "name": "Corner shop"}) if self.may("canviewstoresettings") else None
        if not self.may("canviewinvoices"):
            return None
        if parts[:3] != ["stores", STORE, "invoices"] or not self.path.startswith(self.server.prefix):
            return self.say(404, {"code": "store-not-found", "message": "The store was not found"})
        books.calls["list" if len(parts) == 3 else "invoice"] += 1
        if len(parts) == 3:
            return self.say(200, b"{" if books.fails("list:garbled") else self.listed(query))
        if books.fails("read:down"):
            return self.say(503, {})
        with books.lock:
            bill = books.invoices.get(parts[3])
            if bill is None:
                return self.say(404, {"code": "invoice-not-found", "message": "The invoice was not found"})
            answer: Any = self.shown(bill) if len(parts) == 4 else self.ways(bill, query)
        return self.say(200, b"{" if books.fails("read:garbled") else answer)

    def may(self, right: str) -> bool:
        """Return True if the key has a right, else answer that it has not."""
        if self.headers["Authorization"] != f"token {KEY}":
            self.say(401, b"")
            return False
        if right and f"btcpay.store.{right}:{STORE}" not in self.server.books.rights:
            self.say(403, {"code": "missing-permission", "message": f"Insufficient: btcpay.store.{right}"})
            return False
        return True

    def listed(self, query: dict[str, str]) -> list[Any]:
        books = self.server.books
        with books.lock:
            found = [
                bill
                for bill in reversed(books.invoices.values())
                if query.get("orderId", bill.ref) == bill.ref
                and int(query.get("startDate", 0)) <= bill.at <= int(query.get("endDate", 1e12))
            ]
            skip = int(query.get("skip", 0))
            return [self.shown(bill) for bill in found[skip : skip + int(query.get("take", 10**6))]]

    @staticmethod
    def shown(bill: Bill) -> dict[str, Any]:
        came = sum(bill.worth(one) for one in bill.payments if one.status != "Invalid")
        return {
            "id": bill.id,
            "storeId": STORE,
            "amount": bill.amount,
            "paidAmount": f"{came / 1_000_000:f}",
            "currency": bill.currency,
            "type": "Standard",
            "checkoutLink": f"http://btcpay.lan/i/{bill.id}",
            "createdTime": int(bill.at),
            "expirationTime": int(bill.at) + 3600,
            "monitoringExpiration": int(bill.at) + 90_000,
            "status": bill.status,
            "additionalStatus": bill.additional,
            "metadata": {"orderId": bill.ref},
        }

    @staticmethod
    def ways(bill: Bill, query: dict[str, str]) -> list[Any]:
        shows_all = query.get("onlyAccountedPayments", "true") == "false"
        unused = {"paymentMethodId": "BTC-LN", "currency": None, "rate": "0", "payments": []}
        return [unused] + [
            {
                "paymentMethodId": way,
                "currency": way.partition("-")[0],
                "rate": rate,
                "payments": [
                    {
                        "id": one.id,
                        "receivedDate": int(one.at),
                        "value": one.value,
                        "fee": one.fee,
                        "status": one.status,
                        "destination": "bc1qexample",
                    }
                    for one in bill.payments
                    if one.way == way and (shows_all or one.status != "Invalid")
                ],
            }
            for way, rate in bill.rates.items()
        ]


class Server(Loopback):
    def __init__(self, prefix: str) -> None:
        super().__init__(_Handler)
        self.books, self.prefix = Books(), prefix

    @property
    def credentials(self) -> dict[str, str]:
        host = self.address + self.prefix
        return {"host": host, "site": SITE, "store": STORE, "key": KEY, "secret": SECRET}


def running(prefix: str = "") -> AbstractContextManager[Server]:
    """Run the server until the end of the block, below a path if `prefix` is one."""
    return serving(Server(prefix))
