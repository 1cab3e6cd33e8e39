"""The fake gateway: a real HTTP server on loopback. Its books say what was really paid.

Its signature is made with another implementation than the panel's: `openssl`-style HMAC by `cryptography`.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from itertools import count
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC

from tests.gateway.loopback import Handler, Loopback, serving

Headers = dict[str, str]
SECRET = base64.b64encode(bytes(range(32))).decode()


@dataclass
class Paid:
    """A payment in the gateway's books. `amount` is a decimal text."""

    id: str
    amount: str
    status: str = "settled"
    currency: str = "USD"
    at: float = field(default_factory=time.time)


@dataclass
class Kept:
    """An invoice in the gateway's books."""

    id: str
    ref: str
    amount: str
    currency: str
    callback: str
    is_over: bool = False
    payments: list[Paid] = field(default_factory=list)


class Books:
    """What the gateway knows, and how it misbehaves next.

    `faults` holds how often an action fails: "create:lost" stores and does not answer, "create:dropped" does neither,
    "create:garbled", "read:down", "read:garbled", "list:garbled".
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.invoices: dict[str, Kept] = {}
        self.faults: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.secrets = [SECRET]
        self._ids = count(1)

    def fails(self, fault: str) -> bool:
        with self.lock:
            if self.faults[fault] <= 0:
                return False
            self.faults[fault] -= 1
            return True

    def create(self, asked: dict[str, Any], *, is_idempotent: bool) -> Kept:
        with self.lock:
            if is_idempotent and (found := self.by_ref(asked["ref"])):
                return found
            kept = Kept(f"inv-{next(self._ids)}", asked["ref"], asked["amount"], asked["currency"], asked["callback"])
            self.invoices[kept.id] = kept
            return kept

    def by_ref(self, ref: str) -> Kept | None:
        return next((kept for kept in self.invoices.values() if kept.ref == ref), None)

    def pay(self, ref: str, amount: str, **values: Any) -> Paid:
        """Pay an invoice, as its customer would."""
        with self.lock:
            kept = self.by_ref(ref)
            assert kept is not None, ref
            paid = Paid(f"pay-{next(self._ids)}", amount, **values)
            kept.payments.append(paid)
            return paid

    def expire(self) -> None:
        """Let all invoices expire."""
        for kept in list(self.invoices.values()):
            kept.is_over = True

    def listed(self, begin: float, end: float) -> list[dict[str, Any]]:
        """Return what was paid between two times, each with the reference of its invoice."""
        with self.lock:
            return [
                asdict(paid) | {"ref": kept.ref}
                for kept in self.invoices.values()
                for paid in kept.payments
                if begin <= paid.at < end
            ]

    def sums(self) -> Counter[str]:
        """Return what was really paid for each reference, in millionths."""
        found: Counter[str] = Counter()
        for kept in self.invoices.values():
            for paid in kept.payments:
                if paid.status == "settled":
                    found[kept.ref] += int(Decimal(paid.amount) * 1_000_000)
        return found

    def message(self, ref: str, *, call_id: str = "", at: float | None = None, **extra: Any) -> tuple[bytes, Headers]:
        """Return the body and the signed headers of a call about an invoice."""
        kept = self.by_ref(ref)
        body = json.dumps({"ref": ref, "id": kept.id if kept else "", **extra}).encode()
        call_id = call_id or f"c-{next(self._ids)}"
        now = str(int(time.time() if at is None else at))
        signatures = []
        for secret in self.secrets:
            mac = HMAC(base64.b64decode(secret), hashes.SHA256())
            mac.update(f"{call_id}.{now}.".encode() + body)
            signatures.append("v1," + base64.b64encode(mac.finalize()).decode())
        headers = {"webhook-id": call_id, "webhook-timestamp": now, "webhook-signature": " ".join(signatures)}
        return body, headers


class _Handler(Handler):
    server: Server

    def do_POST(self) -> None:
        books = self.server.books
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        books.calls["create"] += 1
        if books.fails("create:dropped"):
            return self.hang_up()
        if books.fails("create:refused"):
            return self.say(422, {"error": "The amount is too small."})
        kept = books.create(asked, is_idempotent=self.path == "/once")
        if books.fails("create:lost"):
            return self.hang_up()
        return self.say(200, b"<html>" if books.fails("create:garbled") else {"id": kept.id, "ref": kept.ref})

    def do_GET(self) -> None:
        books = self.server.books
        _, kind, value = self.path.split("/", 2)
        books.calls[kind] += 1
        if kind == "ref":
            kept = books.by_ref(value)
            return self.say(200, {"found": [{"id": kept.id, "ref": kept.ref}] if kept else []})
        if kind == "list":
            begin, end = map(float, value.split("/"))
            return self.say(200, b"{" if books.fails("list:garbled") else books.listed(begin, end))
        if books.fails("read:down"):
            return self.say(503, {})
        with books.lock:
            found = json.dumps(asdict(books.invoices[value])).encode()
        return self.say(200, b"{" if books.fails("read:garbled") else found)


class Server(Loopback):
    def __init__(self) -> None:
        super().__init__(_Handler)
        self.books = Books()


def running() -> AbstractContextManager[Server]:
    """Run the gateway until the end of the block."""
    return serving(Server())
