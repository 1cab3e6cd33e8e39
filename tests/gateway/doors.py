"""Doors of the fake gateway: one for each way to find an invoice whose creation was not answered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from django.utils import timezone

from billing.intake.calls import Call
from billing.intake.gateways import (
    Asked,
    Created,
    Credential,
    Credentials,
    Effect,
    Gateway,
    GatewayRefused,
    Listed,
    Reading,
    Repair,
    Seen,
    Told,
)
from billing.intake.http import Reply, ask
from panel.lib.money import format_plain, micros_down
from panel.lib.signatures import verify

EFFECTS = {
    "settled": Effect.CREDIT,
    "pending": Effect.WAIT,
    "vanished": Effect.NEVER,
    "frozen": Effect.HOLD,
    "charged back": Effect.REVERSE,
}


class Fake(Gateway):
    code: ClassVar[str] = "fake"
    label = "Fake"
    credentials = (Credential("address", "Address", is_secret=False), Credential("secret", "Secret of its calls"))
    repair = Repair.LOOK_UP
    path = "/new"
    can_list = True

    def create(self, asked: Asked, credentials: Credentials) -> Created:
        wanted = {
            "ref": asked.our_ref,
            "amount": format_plain(asked.amount),
            "currency": asked.currency,
            "callback": asked.callback_url,
        }
        return self._created(ask("POST", credentials["address"] + self.path, body=json.dumps(wanted).encode()))

    def look_up(self, asked: Asked, credentials: Credentials) -> Created | None:
        found = ask("GET", f"{credentials['address']}/ref/{asked.our_ref}").data["found"]
        return self._created(Reply(200, found[0])) if found else None

    @staticmethod
    def _created(reply: Reply) -> Created:
        if reply.status != 200:
            raise GatewayRefused(str(reply.data.get("error")))
        return Created(reply.data["id"], f"https://pay.example.com/{reply.data['id']}")

    def read(self, asked: Asked, credentials: Credentials) -> Reading:
        found = ask("GET", f"{credentials['address']}/invoice/{asked.external_id}").data
        return Reading(found["ref"], [_seen(paid) for paid in found["payments"]], is_over=found["is_over"])

    def verify(self, call: Call, credentials: Credentials) -> Told:
        secrets = credentials["secret"].split()
        call_id = verify(secrets=secrets, headers=call.headers, body=call.body, now=timezone.now().timestamp())
        told = json.loads(call.body)
        return Told(call_id, our_ref=told["ref"], external_id=told["id"], is_test=bool(told.get("test")))

    def check(self, credentials: Credentials) -> str:
        ask("GET", f"{credentials['address']}/ref/none")
        return "It answers."

    def list_payments(self, begin: datetime, end: datetime, credentials: Credentials) -> Sequence[Listed]:
        answer = ask("GET", f"{credentials['address']}/list/{begin.timestamp()}/{end.timestamp()}").data
        return [Listed(_seen(paid), paid["ref"], datetime.fromtimestamp(float(paid["at"]), UTC)) for paid in answer]


class Once(Fake):
    code = "fake-once"
    repair = Repair.CREATE
    path = "/once"


class Lossy(Fake):
    code = "fake-lossy"
    repair = Repair.NONE


def _seen(paid: dict[str, Any]) -> Seen:
    amount = micros_down(Decimal(paid["amount"]))
    return Seen(paid["id"], amount, paid["currency"], EFFECTS[paid["status"]], paid["status"])
