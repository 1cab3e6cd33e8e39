"""What every door must do, whatever its gateway: inherit, and say how its gateway's books are written.

A subclass sets `door` and gives the fixture `world`, whose gateway really answers over HTTP.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from billing.intake.calls import Call
from billing.intake.gateways import Asked, Credentials, Effect, Gateway, GatewayError, GatewayRefused, Repair
from panel.lib.signatures import BadSignature

ASKED = Asked(
    our_ref="panel-7-3c9a",
    external_id="",
    amount=20_000_000,
    currency="USD",
    customer_ref="7",
    callback_url="https://panel.example.com/pay/",
    return_url="https://panel.example.com/deposits/7/",
)


@dataclass(frozen=True, slots=True)
class World:
    """A gateway for one test. `pay` writes a payment with an effect into its books; `call` returns a genuine call."""

    credentials: Credentials
    pay: Callable[[str, str, Effect], object]
    call: Callable[[str], Call]
    break_answers: Callable[[], object]
    refuse: Callable[[], object]


class DoorContract:
    """The tests. Amounts are texts in dollars."""

    door: Gateway

    @pytest.fixture
    def asked(self, world: World) -> Asked:
        """An invoice that exists at the gateway."""
        created = self.door.create(ASKED, world.credentials)
        return replace(ASKED, external_id=created.external_id)

    def test_create_when_asked_then_an_id_and_where_to_pay(self, world):
        created = self.door.create(ASKED, world.credentials)
        assert created.external_id
        assert created.url.startswith("https://") or created.details

    def test_create_when_asked_twice_then_by_its_rule(self, world):
        first, second = (self.door.create(ASKED, world.credentials).external_id for _ in range(2))
        assert (first == second) is (self.door.repair is Repair.CREATE)

    def test_create_when_refused_then_said_so(self, world):
        world.refuse()
        with pytest.raises(GatewayRefused, match=r".+"):
            self.door.create(ASKED, world.credentials)

    def test_look_up_when_it_can_then_found_by_our_reference(self, world, asked):
        if self.door.repair is Repair.LOOK_UP:
            found = self.door.look_up(ASKED, world.credentials)
            assert found is not None and found.external_id == asked.external_id
            assert self.door.look_up(replace(ASKED, our_ref="panel-8-0000"), world.credentials) is None

    def test_read_when_nothing_was_paid_then_nothing_to_credit(self, world, asked):
        reading = self.door.read(asked, world.credentials)
        assert reading.our_ref == ASKED.our_ref
        assert [one for one in reading.seen if one.effect is Effect.CREDIT] == []

    @pytest.mark.parametrize("amount", ["20.00", "0.01", "7.5", "19.999999"])
    def test_read_when_paid_then_exactly_what_came_in(self, world, asked, amount):
        world.pay(ASKED.our_ref, amount, Effect.CREDIT)
        [seen] = [one for one in self.door.read(asked, world.credentials).seen if one.effect is Effect.CREDIT]
        assert (seen.came_in, seen.currency) == (int(float(amount) * 1_000_000 + 0.5), "USD")
        assert seen.external_id

    @pytest.mark.parametrize("effect", [Effect.WAIT, Effect.NEVER, Effect.HOLD, Effect.REVERSE])
    def test_read_when_not_to_be_credited_then_not_said_to_be(self, world, asked, effect):
        world.pay(ASKED.our_ref, "20.00", effect)
        found = {one.effect for one in self.door.read(asked, world.credentials).seen}
        assert found <= {effect, Effect.WAIT} and Effect.CREDIT not in found

    def test_read_when_repeated_then_the_same_ids(self, world, asked):
        for _ in range(2):
            world.pay(ASKED.our_ref, "20.00", Effect.CREDIT)
        first, second = ([one.external_id for one in self.door.read(asked, world.credentials).seen] for _ in range(2))
        assert first == second and len(set(first)) == len(first)

    @pytest.mark.parametrize("effect", [Effect.CREDIT, Effect.WAIT])
    def test_list_when_it_can_then_the_payment_as_it_is_read(self, world, asked, effect):
        if self.door.can_list:
            world.pay(ASKED.our_ref, "20.00", effect)
            begin, end = timezone.now() - timedelta(hours=24), timezone.now() + timedelta(hours=1)
            listed = self.door.list_payments(begin, end, world.credentials)
            assert [one.seen for one in listed] == list(self.door.read(asked, world.credentials).seen)
            assert all(one.our_ref in (ASKED.our_ref, "") and begin <= one.at < end for one in listed)
            assert self.door.list_payments(begin - timedelta(days=9), begin, world.credentials) == []

    def test_answers_when_broken_then_unknown_and_nothing_else_raised(self, world, asked):
        acts: list[Callable[[], Any]] = [
            lambda: self.door.create(ASKED, world.credentials),
            lambda: self.door.read(asked, world.credentials),
        ]
        if self.door.can_list:
            acts.append(
                lambda: self.door.list_payments(timezone.now() - timedelta(hours=1), timezone.now(), world.credentials)
            )
        for act in acts:
            world.break_answers()
            with pytest.raises(GatewayError):
                act()

    def test_call_when_genuine_then_names_the_invoice(self, world, asked):
        told = self.door.verify(world.call(ASKED.our_ref), world.credentials)
        assert ASKED.our_ref == told.our_ref or asked.external_id == told.external_id
        assert 1 <= len(told.call_id) <= 64 and not told.is_test

    def test_call_when_one_byte_is_altered_then_refused(self, world, asked):
        call = world.call(ASKED.our_ref)
        for place in range(0, len(call.body), 7):
            body = call.body[:place] + bytes([call.body[place] ^ 1]) + call.body[place + 1 :]
            with pytest.raises(BadSignature):
                self.door.verify(replace(call, body=body), world.credentials)

    @pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b"\xff", b"[" * 50_000, b'{"sign": 7}'])
    def test_call_when_garbage_then_refused_and_nothing_else_raised(self, world, body):
        for headers in ({}, world.call(ASKED.our_ref).headers if body else {}):
            with pytest.raises(BadSignature):
                self.door.verify(Call(headers, body, len(body), ""), world.credentials)

    def test_check_when_the_credentials_work_then_a_sentence(self, world):
        assert self.door.check(world.credentials).endswith(".")
