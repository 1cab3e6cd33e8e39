"""A fake NOWPayments: a real HTTP server on loopback with books of its own, in coins.

It writes JSON as JavaScript does, and signs what it knows, not what it wrote, with another HMAC than
the door's.
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC

from tests.gateway import server
from tests.gateway.loopback import Handler, Loopback, serving

KEY, IPN_SECRET = "now-key-1", "ipn-secret-1"
# Coins for a dollar: one costs 80.
RATE = Decimal("0.0125")
FIRST_ID = 5_077_125_000
COINS = {"usdttrc20": "5", "ltc": "0.5", "btc": "12.345678", "xrp": "1"}
WORDS = {
    "pending": "confirming",
    "vanished": "expired",
    "frozen": "failed",
    "charged back": "refunded",
}


def js(value: Any) -> str:
    """Return JSON as JavaScript writes it: 20, not 20.0; 1e-7, not 0.0000001."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{js(name)}:{js(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(js(one) for one in value) + "]"
    if isinstance(value, Decimal) and value:
        small = value.normalize()
        if small.adjusted() >= -6:
            return f"{small:f}"
        digits = "".join(map(str, small.as_tuple().digits))
        return f"{digits[0]}{'.' if digits[1:] else ''}{digits[1:]}e{small.adjusted()}"
    return "0" if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)


def in_order(value: Any) -> Any:
    """Return the value with the names of all its objects sorted."""
    return {name: in_order(value[name]) for name in sorted(value)} if isinstance(value, dict) else value


def signed_by(secret: str, facts: dict[str, Any]) -> str:
    mac = HMAC(secret.encode(), hashes.SHA512())
    mac.update(js(in_order(facts)).encode())
    return mac.finalize().hex()


class Books(server.Books):
    """Each invoice of the books is a first payment; what is paid into it again is a child with an id of its own.

    `says` replaces facts of answers by payment id, and `coins` are those that can be paid in.
    """

    def __init__(self) -> None:
        super().__init__()
        self._ids = count(FIRST_ID)
        self.asked: dict[str, dict[str, Any]] = {}
        self.says: dict[str, dict[str, Any]] = {}
        self.coins = dict(COINS)
        self.keys_seen: set[str] = set()

    def create_payment(self, asked: dict[str, Any]) -> server.Kept:
        with self.lock:
            kept = server.Kept(
                str(next(self._ids)),
                asked["order_id"],
                str(asked["price_amount"]),
                asked["price_currency"],
                asked["ipn_callback_url"],
            )
            self.invoices[kept.id], self.asked[kept.id] = kept, asked
            return kept

    def pay(self, ref: str, amount: str, **values: Any) -> server.Paid:
        with self.lock:
            kept = self.by_ref(ref)
            assert kept is not None, ref
            paid = server.Paid(str(next(self._ids)) if kept.payments else kept.id, amount, **values)
            kept.payments.append(paid)
            return paid

    def facts(self, payment_id: str) -> dict[str, Any] | None:
        """Return a payment as it is read, None if there is none."""
        for kept in self.invoices.values():
            if kept.id == payment_id:
                return self._first(kept)
            for paid in kept.payments:
                if paid.id == payment_id:
                    return self._child(kept, paid)
        return None

    def _first(self, kept: server.Kept) -> dict[str, Any]:
        paid = next((one for one in kept.payments if one.id == kept.id), None)
        price, got = Decimal(kept.amount), Decimal(paid.amount) if paid and paid.status != "vanished" else Decimal(0)
        status = "waiting" if paid is None else WORDS.get(paid.status) or ("finished", "partially_paid")[got < price]
        facts = self._common(kept, kept.id, status, got)
        return facts | {"order_id": kept.ref, **self.says.get(kept.id, {})}

    def _child(self, kept: server.Kept, paid: server.Paid) -> dict[str, Any]:
        facts = self._common(kept, paid.id, WORDS.get(paid.status, "finished"), Decimal(paid.amount))
        return facts | {"order_id": None, "parent_payment_id": int(kept.id), **self.says.get(paid.id, {})}

    def _common(self, kept: server.Kept, payment_id: str, status: str, got: Decimal) -> dict[str, Any]:
        price = Decimal(kept.amount)
        made = next((one.at for one in kept.payments if one.id == payment_id), 0.0)
        return {
            # A number here, a text in the answer to its creation.
            "payment_id": int(payment_id),
            "payment_status": status,
            "pay_address": f"address-of-{kept.id}",
            "price_amount": price,
            "price_currency": kept.currency,
            "pay_amount": price * RATE,
            "actually_paid": got * RATE,
            "pay_currency": self.asked[kept.id]["pay_currency"],
            "purchase_id": "6084744717",
            "created_at": datetime.fromtimestamp(made, UTC).isoformat().replace("+00:00", "Z"),
            "outcome_amount": got,
            "outcome_currency": "usdttrc20",
        }

    def message(  # type: ignore[override]
        self, ref: str, about: str = "", secret: str = IPN_SECRET, **extra: Any
    ) -> tuple[bytes, server.Headers]:
        """Return the body and the signed headers of a call about a payment, by default the last of the invoice."""
        kept = self.by_ref(ref)
        # Of what it does not know it tells nothing but a number of its own.
        facts: dict[str, Any] | None = {"payment_id": 1, "order_id": None}
        if kept is not None:
            facts = self.facts(about or (kept.payments[-1].id if kept.payments else kept.id))
        assert facts is not None
        fee = {"currency": "ltc", "depositFee": Decimal("0.0000001"), "withdrawalFee": 0, "serviceFee": 0}
        facts = {"parent_payment_id": None, **facts, "fee": fee, **extra}
        return js(facts).encode(), {"x-nowpayments-sig": signed_by(secret, facts)}


class _Handler(Handler):
    server: Server

    def do_POST(self) -> None:
        books = self.server.books
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])), parse_float=Decimal)
        books.calls["create"] += 1
        books.keys_seen.add(self.headers["x-api-key"])
        if books.fails("create:dropped"):
            return self.hang_up()
        if books.fails("create:refused") or asked["pay_currency"] not in books.coins:
            return self.refuse(400, "BAD_CREATE_PAYMENT_REQUEST", "Crypto amount 0.001 is less than minimal")
        kept = books.create_payment(asked)
        if books.fails("create:lost"):
            return self.hang_up()
        if books.fails("create:garbled"):
            return self.say(201, b"<html>")
        memo = "1234567" if asked["pay_currency"] == "xrp" else None
        facts = {**(books.facts(kept.id) or {}), "payment_id": kept.id, "payin_extra_id": memo, "network": "ltc"}
        return self.say(201, js(facts).encode())

    def do_GET(self) -> None:
        books, found = self.server.books, urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(found.query).items()}
        kind, _, value = found.path.lstrip("/").partition("/")
        books.calls[kind if kind != "payment" else "read" if value else "list"] += 1
        books.keys_seen.add(self.headers["x-api-key"])
        if self.headers["x-api-key"] != KEY:
            return self.refuse(403, "INVALID_API_KEY", "Invalid api key")
        if books.fails(f"{kind}:down") or (value and books.fails("read:down")):
            return self.say(503, {})
        if kind == "currencies":
            return self.say(200, {"currencies": list(books.coins)})
        if kind == "min-amount":
            return self.minimum(asked)
        if not value:
            return self.list_payments(asked)
        with books.lock:
            facts = books.facts(value)
        if facts is None:
            return self.refuse(404, "NOT_FOUND", "Payment not found")
        return self.say(200, b"{" if books.fails("read:garbled") else js(facts).encode())

    def minimum(self, asked: dict[str, str]) -> None:
        least = self.server.books.coins.get(asked["currency_from"])
        if least is None:
            return self.refuse(400, "INVALID_REQUEST_PARAMS", "currency_from is not available")
        worth = Decimal(least) * RATE
        facts = {"currency_from": asked["currency_from"], "min_amount": worth, "fiat_equivalent": Decimal(least)}
        return self.say(200, js(facts).encode())

    def list_payments(self, asked: dict[str, str]) -> None:
        books = self.server.books
        if books.fails("list:closed"):
            return self.refuse(401, "AUTH_REQUIRED", "Authorization header is empty (Bearer JWTtoken is required)")
        if books.fails("list:garbled"):
            return self.say(200, b"{")
        with books.lock:
            ids = {kept.id: None for kept in books.invoices.values()}
            ids |= {paid.id: None for kept in books.invoices.values() for paid in kept.payments}
            rows = [facts for one in ids if (facts := books.facts(one))]
        rows = [row for row in rows if asked["dateFrom"] <= row["created_at"][:10] <= asked["dateTo"]]
        limit, page = int(asked["limit"]), int(asked["page"])
        part = rows[limit * page : limit * (page + 1)]
        return self.say(200, js({"data": part, "limit": limit, "page": page, "total": len(rows)}).encode())

    def refuse(self, status: int, code: str, message: str) -> None:
        self.say(status, {"status": False, "statusCode": status, "code": code, "message": message})


class Server(Loopback):
    def __init__(self) -> None:
        super().__init__(_Handler)
        self.books = Books()


def running() -> AbstractContextManager[Server]:
    """Run the gateway until the end of the block."""
    return serving(Server())
