"""A fake Cryptomus (and Heleket): a real HTTP server on loopback with books of its own, in coins.

It signs with another implementation of MD5 and base64 than the door's, and writes JSON as PHP does.
"""

from __future__ import annotations

import binascii
import json
import threading
from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from cryptography.hazmat.primitives import hashes

from tests.gateway.loopback import Handler, Loopback, serving

MERCHANT, KEY = "8b03432e-385b-4670-8d06-064591096795", "pay-key-0000000000000000000000000000000000000-B"
PAYOUT_KEY = "payout-key-00000000000000000000000000000000000-B"
# Units of 10⁻⁸ coins for 10⁻⁶ of the invoice's currency: a coin costs 4.
UNITS = 25
PAGE = 2
MOSCOW = timezone(timedelta(hours=3))


def php(value: Any) -> bytes:
    """Return JSON as PHP writes it with JSON_UNESCAPED_UNICODE."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/").encode()


def signed_by(key: str, body: bytes) -> str:
    md5 = hashes.Hash(hashes.MD5())
    md5.update(binascii.b2a_base64(body, newline=False))
    md5.update(key.encode())
    return md5.finalize().hex()


def micros(amount: str) -> int:
    return int(Decimal(amount) * 1_000_000)


def coins(units: int) -> str:
    return f"{units // 10**8}.{units % 10**8:08d}"


@dataclass
class Kept:
    """An invoice in the books. `paid` is in units of 10⁻⁸ coins; `says` replaces members of its answers."""

    uuid: str
    ref: str
    amount: str
    currency: str
    callback: str
    created_at: datetime
    expires_at: datetime
    page: str
    status: str = ""
    is_over: bool = False
    paid: int = 0
    says: dict[str, Any] = field(default_factory=dict)

    @property
    def wanted(self) -> int:
        return micros(self.amount) * UNITS

    def state(self) -> str:
        if self.status:
            return self.status
        if self.paid == 0:
            return "cancel" if self.is_over else "check"
        if self.paid < self.wanted:
            return "wrong_amount" if self.is_over else "wrong_amount_waiting"
        return "paid" if self.paid == self.wanted else "paid_over"

    def shown(self) -> dict[str, Any]:
        """Return the members that an answer and a call have in common. Call it with the books locked."""
        usd = (Decimal(self.paid) / 100 / UNITS / 10_000).quantize(Decimal("0.01"), ROUND_HALF_UP)
        return {
            "uuid": self.uuid,
            "order_id": self.ref,
            "amount": f"{Decimal(self.amount):.2f}",
            "payment_amount": coins(self.paid) if self.paid else None,
            "payment_amount_usd": str(usd) if self.paid else None,
            "payer_amount": coins(self.wanted),
            "payer_currency": "LTC",
            "currency": self.currency,
            "network": "ltc",
            "from": None,
            "txid": "6f0d9c8374db57cac0d806251473de754f361c83a03cd805f74aa9da3193486b" if self.paid else None,
            "status": self.state(),
            "is_final": self.is_over,
            "additional_data": 'Größe €5 / "sign":"x"',
        }

    def answer(self) -> dict[str, Any]:
        return {
            **self.shown(),
            "payment_status": self.state(),
            "address": "ltc1qexampleexampleexampleexample",
            "url": self.page,
            "expired_at": int(self.expires_at.timestamp()),
            "created_at": self.created_at.isoformat(timespec="seconds"),
            **self.says,
        }


class Books:
    """What the gateway knows, and how it misbehaves next; `faults` as of the fake gateway in `server`.

    `pay_at` is the site where customers pay, `says` an answer to everything, and `sent` the test calls that it sent.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.invoices: dict[str, Kept] = {}
        self.faults: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.sent: list[tuple[str, bytes]] = []
        self.says: tuple[int, Any] | None = None
        self.pay_at = "https://pay.cryptomus.com"

    def fails(self, fault: str) -> bool:
        with self.lock:
            if self.faults[fault] <= 0:
                return False
            self.faults[fault] -= 1
            return True

    def create(self, asked: dict[str, Any]) -> Kept:
        """Return the invoice of this order_id, a new one if there is none."""
        with self.lock:
            if found := self.by_ref(asked["order_id"]):
                return found
            now = datetime.now(MOSCOW)
            expires_at = now + timedelta(seconds=asked.get("lifetime", 3_600))
            known = (asked["amount"], asked["currency"], asked.get("url_callback", ""))
            uuid = str(uuid4())
            kept = Kept(uuid, asked["order_id"], *known, now, expires_at, f"{self.pay_at}/pay/{uuid}")
            self.invoices[kept.uuid] = kept
            return kept

    def by_ref(self, ref: str) -> Kept | None:
        return next((kept for kept in list(self.invoices.values()) if kept.ref == ref), None)

    def pay(self, ref: str, amount: str, **values: Any) -> Kept:
        """Pay into an invoice; `amount` is a decimal text of its currency."""
        with self.lock:
            kept = self.by_ref(ref)
            assert kept is not None, ref
            kept.paid += micros(amount) * UNITS
            for name, value in values.items():
                setattr(kept, name, value)
            return kept

    def expire(self) -> None:
        """Let all invoices expire: those of which a part came are underpaid for good."""
        for kept in list(self.invoices.values()):
            kept.is_over = True

    def sums(self) -> Counter[str]:
        """Return what was really paid for each reference, in millionths, whole ones only."""
        credited = ("paid", "paid_over", "wrong_amount")
        return Counter({kept.ref: kept.paid // UNITS for kept in self.invoices.values() if kept.state() in credited})

    def message(self, ref: str, *, key: str = KEY, **extra: Any) -> tuple[bytes, dict[str, str]]:
        """Return the body and the headers of a call about an invoice."""
        with self.lock:
            kept = self.by_ref(ref)
            shown = kept.shown() if kept else {"uuid": str(uuid4()), "order_id": ref}
        told = {"type": "payment", **shown, "wallet_address_uuid": None, **extra}
        return signed_call(told, key), {"content-type": "application/json"}


def signed_call(told: dict[str, Any], key: str = KEY) -> bytes:
    return php({**told, "sign": signed_by(key, php(told))})


class _Handler(Handler):
    server: Server

    def do_POST(self) -> None:
        books, url = self.server.books, urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        action = {"/v1/payment": "create", "/v1/payment/info": "read"}.get(url.path, url.path.rsplit("/", 1)[1])
        books.calls[action] += 1
        if self.headers["merchant"] != MERCHANT or self.headers["sign"] != signed_by(KEY, body):
            return self.say(401, {"state": 1, "message": "Invalid Sign"})
        if books.says:
            return self.say(*books.says)
        if action != "create" and books.fails(f"{action}:garbled"):
            return self.say(200, b"<html>")
        if books.fails(f"{action}:down"):
            return self.say(503, {})
        asked = json.loads(body) if body else {}
        match url.path:
            case "/v1/payment":
                return self.create(asked)
            case "/v1/payment/info":
                kept = books.by_ref(asked["order_id"]) if "order_id" in asked else books.invoices.get(asked["uuid"])
                return self.invoice(kept) if kept else self.say(200, {"state": 1, "message": "Not found"})
            case "/v1/payment/list":
                return self.result(self.page(asked, parse_qs(url.query)))
            case "/v1/payment/services" if not body:
                return self.result([{"network": "tron", "currency": "USDT", "is_available": True}])
            case "/v1/test-webhook/payment":
                told = {"type": "payment", "uuid": str(uuid4()), "order_id": asked["order_id"], "amount": "10.00"}
                told |= {"payment_amount": "10.00", "is_final": True, "status": asked["status"], "currency": "USDT"}
                books.sent.append((asked["url_callback"], signed_call(told)))
                return self.result([])
        return self.say(404, {"state": 1, "message": "Unknown"})

    def create(self, asked: dict[str, Any]) -> None:
        books = self.server.books
        if books.fails("create:dropped"):
            return self.hang_up()
        if books.fails("create:refused"):
            return self.say(422, {"state": 1, "errors": {"amount": ["validation.required"]}})
        kept = books.create(asked)
        if books.fails("create:lost"):
            return self.hang_up()
        return self.say(200, b"<html>") if books.fails("create:garbled") else self.invoice(kept)

    def invoice(self, kept: Kept) -> None:
        with self.server.books.lock:
            answer = kept.answer()
        self.result(answer)

    def page(self, asked: dict[str, Any], query: dict[str, list[str]]) -> dict[str, Any]:
        """Return a page of the list, the newest first. Its days are those of the server's zone."""
        begin, end = (
            datetime.strptime(asked[name], "%Y-%m-%d %H:%M:%S").replace(tzinfo=MOSCOW)
            for name in ("date_from", "date_to")
        )
        invoices = sorted(self.server.books.invoices.values(), key=lambda kept: kept.created_at, reverse=True)
        found = [kept.answer() for kept in invoices if begin <= kept.created_at <= end]
        place = int(query.get("cursor", ["0="])[0].rstrip("="))
        following = f"{place + PAGE}=" if len(found) > place + PAGE else None
        shown = found[place : place + PAGE]
        return {"items": shown, "paginate": {"count": len(shown), "nextCursor": following, "perPage": PAGE}}

    def result(self, result: Any) -> None:
        self.say(200, {"state": 0, "result": result})

    @staticmethod
    def encode(answer: Any) -> bytes:
        return php(answer)


class Server(Loopback):
    def __init__(self) -> None:
        super().__init__(_Handler)
        self.books = Books()


def running() -> AbstractContextManager[Server]:
    """Run the gateway until the end of the block."""
    return serving(Server())
