"""Payments under every fault at once: what came into wallets must be what the gateways' own books say was paid.

Customers of some methods pay a fee: each of their requests must have paid what was promised for all that came in.

Customers open invoices and pay them, exactly or not; the gateway calls, many times, out of order, late, or never;
workers read and credit beside each other, and die before any statement. In the end all work is done.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from django.conf import settings
from django.db import connection, connections
from django.db.models import Sum
from django.utils import timezone

from billing.deposits import cancel_deposit
from billing.intake import gateways
from billing.intake.calls import Call, receive_call
from billing.intake.credentials import store_credentials
from billing.intake.crediting import credit_held_payment
from billing.intake.doors.btcpay import BTCPay
from billing.intake.doors.cryptomus import Cryptomus, Heleket
from billing.intake.doors.nowpayments.door import NowPayments
from billing.intake.gateways import Gateway, Repair
from billing.intake.invoices import open_invoice
from billing.intake.rounds import run_payments
from billing.intake.secrets import add_secret
from billing.intake.webhooks import receive_webhook
from billing.models import Deposit, Entry, Invoice, Payment, PaymentMethod, Wallet
from panel.lib.money import MICRO
from tests import make
from tests.billing.intake.calls import arrival_of, signed
from tests.chaos.figures import Figures
from tests.chaos.truth import audit_ledger
from tests.gateway import cryptomus, doors, greenfield, nowpayments, server

CUSTOMERS, WORKERS, CALLERS = 40, 4, 2
# Of all actions, how many are broken: a worker dies, an answer is lost, a read fails. And how many let invoices expire.
KILLED, LOST, DOWN, EXPIRED = 0.1, 0.15, 0.1, 0.05
# What customers of these doors pay on top; those of the others, and of signed calls, nothing or a share of theirs.
FEES = {doors.Fake.code: (290, 0), doors.Lossy.code: (400, 100_000), "signed": (150, 50_000)}
AMOUNTS = ("20", "20", "20", "7.5", "12.345678", "0.01", "250", "19.999999")


@dataclass(frozen=True, slots=True)
class Behind:
    """A door, the books of the gateway behind it, and what it asks there with.

    `option` is what customers choose. If it `tells_each`, what is paid again is known only from a call about it.
    """

    door: Gateway
    books: Any
    credentials: Mapping[str, str]
    option: str = ""
    tells_each: bool = False


def plain(stack: ExitStack) -> list[Behind]:
    gateway = stack.enter_context(server.running())
    credentials = {"address": gateway.address, "secret": server.SECRET}
    return [Behind(door(), gateway.books, credentials) for door in (doors.Fake, doors.Once, doors.Lossy)]


def coins(stack: ExitStack) -> list[Behind]:
    gateway = stack.enter_context(cryptomus.running())
    credentials = {"merchant": cryptomus.MERCHANT, "payment_key": cryptomus.KEY}
    return [Behind(door(gateway.address), gateway.books, credentials) for door in (Cryptomus, Heleket)]


def own_server(stack: ExitStack) -> list[Behind]:
    gateway = stack.enter_context(greenfield.running())
    return [Behind(BTCPay(), gateway.books, gateway.credentials)]


def chosen_coins(stack: ExitStack) -> list[Behind]:
    gateway = stack.enter_context(nowpayments.running())
    credentials = {"key": nowpayments.KEY, "ipn_secret": nowpayments.IPN_SECRET, "pegged": "usdt*"}
    return [Behind(NowPayments(live=gateway.address), gateway.books, credentials, option="ltc", tells_each=True)]


# Each opens a gateway until the stack ends, and returns the doors to it.
DOORS: Sequence[Callable[[ExitStack], list[Behind]]] = (plain, coins, own_server, chosen_coins)


class _Killed(BaseException):
    """A process that ends before its next statement."""


class _Chaos:
    def __init__(self, *, payments: int, seed: int, behind: list[Behind]) -> None:
        self.random = random.Random(seed)
        self.figures, self.wanted = Figures(), payments
        self.lock, self.is_over, self.made = threading.Lock(), threading.Event(), count(1)
        self.customers = [make.customer(f"c{number}@example.org") for number in range(CUSTOMERS)]
        self.behind: dict[str, Behind] = {one.door.code: one for one in behind}
        self.books = list({id(one.books): one.books for one in behind}.values())
        self.methods: dict[str, PaymentMethod] = {}
        gateways.gateways()
        for code, one in self.behind.items():
            gateways.register(one.door)
            self.methods[code] = make.payment_method(kind=code, name=code, bonus_bp=333, **fee_of(code))
            store_credentials(method=self.methods[code], values=one.credentials)
        self.signed = make.payment_method(kind="signed", name="Signed", bonus_bp=333, **fee_of("signed"))
        self.secret = add_secret(method=self.signed)
        # What was really paid by signed calls, by customer, and the calls to repeat.
        self.told: dict[int, int] = {}
        self.calls: list[tuple[PaymentMethod, Callable[..., Any], Call]] = []

    def chance(self, share: float) -> bool:
        with self.lock:
            return self.random.random() < share

    def choose(self, options: Any) -> Any:
        with self.lock:
            return self.random.choice(options)

    # -- what people and machines do -----------------------------------------------------------------------

    def buy(self) -> None:
        """A customer asks to add funds and pays, by a gateway or in a way that a program sees."""
        customer, amount = self.choose(self.customers), self.choose(AMOUNTS)
        Deposit.objects.filter(customer=customer).update(expires_at=timezone.now() - timedelta(seconds=1))
        if self.chance(0.3):
            self.pay_and_tell(customer, amount)
            return
        method = self.methods[self.choose(list(self.methods))]
        books = self.behind[method.kind].books
        if self.chance(LOST):
            books.faults[self.choose(("create:lost", "create:dropped", "create:garbled"))] += 1
        deposit = make.pending_deposit(customer, "20", method=method, option=self.behind[method.kind].option)
        self.survive(lambda: open_invoice(deposit=deposit))
        invoice = Invoice.objects.filter(deposit=deposit).first()
        if invoice is None or books.by_ref(invoice.our_ref) is None:
            return
        for part in [amount] if self.chance(0.8) else [amount, "5.000001", amount]:
            books.pay(invoice.our_ref, part)
            self.figures.add("payments")
            if self.behind[method.kind].tells_each:
                self.keep_call(method, invoice.our_ref)
        if self.chance(0.05):
            with suppress(Exception):
                cancel_deposit(deposit=deposit)

    def pay_and_tell(self, customer: Any, amount: str) -> None:
        deposit = make.pending_deposit(customer, "20", method=self.signed)
        call = signed(self.secret, arrival_of(deposit=deposit.pk, amount=amount))
        with self.lock:
            self.told[customer.pk] = self.told.get(customer.pk, 0) + int(Decimal(amount) * MICRO)
            self.calls.append((self.signed, receive_call, call))
        self.figures.add("payments")

    def call(self) -> None:
        """A gateway tells, of anything, or repeats what it told before, several times at once."""
        invoice = self.choose(list(Invoice.objects.values_list("our_ref", "method_id")) or [("", 0)])
        if invoice[0] and self.chance(0.6):
            method = next(one for one in self.methods.values() if one.pk == invoice[1])
            self.keep_call(method, invoice[0])
        if not self.calls:
            return
        method, receive, message = self.choose(self.calls)
        for _ in range(self.choose((1, 1, 2, 10))):
            self.figures.add("calls")
            self.survive(lambda: receive(method=method, call=message))
        time.sleep(0.02)

    def keep_call(self, method: PaymentMethod, ref: str) -> None:
        """Have the gateway tell of an invoice, now or later."""
        body, headers = self.behind[method.kind].books.message(ref)
        with self.lock:
            self.calls.append((method, receive_webhook, Call(headers, body, len(body), "192.0.2.1")))

    def work(self) -> None:
        """A worker does one round, with everything due at once."""
        if self.chance(EXPIRED):
            self.choose(self.books).expire()
        if self.chance(DOWN):
            self.choose(self.books).faults[self.choose(("read:down", "read:garbled"))] += 1
        rows = Invoice.objects.filter(next_poll_at__isnull=False).values_list("pk", flat=True)
        past = timezone.now() - timedelta(minutes=5)
        Invoice.objects.filter(pk__in=self.some(rows)).update(next_poll_at=timezone.now(), created_at=past)
        self.survive(run_payments)

    def some(self, rows: Any) -> list[int]:
        found = list(rows)
        with self.lock:
            return self.random.sample(found, min(len(found), 15))

    def survive(self, act: Callable[[], Any]) -> None:
        """Run `act`, in a process that may be killed before any of its statements."""
        left = [self.choose(range(60)) if self.chance(KILLED) else -1]

        def die(execute: Any, *args: Any) -> Any:
            if left[0] == 0:
                raise _Killed
            left[0] -= 1
            return execute(*args)

        try:
            with connection.execute_wrapper(die):
                act()
        except _Killed:
            self.figures.add("kills")
            connection.close()
        except Exception as error:
            self.figures.faults[type(error).__name__] += 1
            connection.close()

    # -- the run ---------------------------------------------------------------------------------------------

    def run(self) -> Figures:
        acts = [self.buy, *[self.call] * CALLERS, *[self.work] * WORKERS]
        threads = [threading.Thread(target=self.repeat, args=(act,), daemon=True) for act in acts]
        for thread in threads:
            thread.start()
        while self.figures.counts["payments"] < self.wanted:
            time.sleep(0.1)
        self.is_over.set()
        for thread in threads:
            thread.join()
        self.finish()
        self.audit()
        return self.figures

    def repeat(self, act: Callable[[], None]) -> None:
        try:
            while not self.is_over.is_set():
                act()
        finally:
            connections.close_all()

    def finish(self) -> None:
        """Let a month pass: each lost answer is repaired, each call repeated, and all that is due is done."""
        for books in self.books:
            books.faults.clear()
            books.expire()
        for method, receive, message in self.calls:
            receive(method=method, call=message)
        for _ in range(4):
            past = timezone.now() - timedelta(minutes=5)
            Invoice.objects.exclude(state="failed").update(next_poll_at=timezone.now(), asked_at=None, created_at=past)
            Payment.objects.filter(state__in=("seen", "credited")).update(due_at=timezone.now())
            while run_payments():
                pass
        self.decide()
        for books in self.books:
            self.figures.faults.update(books.calls)

    def decide(self) -> None:
        """Staff credit what did not exceed its fee."""
        owner = make.owner()
        for held in Payment.objects.filter(state=Payment.State.HELD, hold=Payment.Hold.BELOW_FEE):
            assert held.deposit
            credit_held_payment(payment_id=held.pk, deposit=held.deposit, actor=owner, came_in=held.came_in)
            self.figures.add("credited by staff")

    def audit(self) -> None:
        """Compare every wallet with the gateways' books."""
        paid: Counter[str] = Counter()
        for books in self.books:
            paid.update(books.sums())
        expected = dict(self.told)
        for invoice in Invoice.objects.select_related("deposit", "method"):
            is_lost = self.behind[invoice.method.kind].door.repair is Repair.NONE and not invoice.external_id
            if is_lost and paid[invoice.our_ref]:
                self.figures.add("paid into an invoice that cannot be found")
            else:
                customer = invoice.deposit.customer_id
                came_in = paid.pop(invoice.our_ref, 0)
                expected[customer] = expected.get(customer, 0) + came_in
                self.figures.add(f"paid through {invoice.method.kind} in millionths", came_in)
        found = {wallet.customer_id: self.credited(wallet) for wallet in Wallet.objects.all()}
        for customer in self.customers:
            difference = found.get(customer.pk, 0) - expected.get(customer.pk, 0)
            if difference > 0:
                self.figures.problem("given away", f"{customer}: {difference} micro-units too much")
            elif difference < 0:
                self.figures.problem("lost", f"{customer}: {-difference} micro-units were not credited")
        for one in self.behind.values():
            refs = Counter(kept.ref for kept in one.books.invoices.values())
            if one.door.repair is not Repair.NONE:
                for ref in (ref for ref, times in refs.items() if times > 1):
                    self.figures.problem("duplicates", f"{ref} has two invoices")
        self.figures.add("credited in millionths", sum(found.values()))
        self.audit_fees()
        audit_ledger(self.figures)

    def audit_fees(self) -> None:
        """Compare what each request paid in fees with its terms, and their sum with the entries."""
        for deposit in Deposit.objects.filter(state=Deposit.State.APPROVED):
            due = deposit.fee_terms.fee_of(deposit.credited or 0)
            is_by_staff = deposit.payments.filter(decided_by__isnull=False).exists()
            if deposit.fee > due or (deposit.fee < due and not is_by_staff):
                self.figures.problem("wrong fees", f"deposit {deposit.pk}: {deposit.fee} was taken, {due} is due")
        taken = Deposit.objects.aggregate(total=Sum("fee"))["total"] or 0
        posted = Entry.objects.filter(kind=Entry.Kind.FEE).aggregate(total=Sum("amount"))["total"] or 0
        if taken != -posted:
            self.figures.problem("wrong fees", f"{taken} was taken, the entries say {-posted}")
        self.figures.add("fees in millionths", taken)

    @staticmethod
    def credited(wallet: Wallet) -> int:
        return sum(wallet.entries.filter(kind="deposit").values_list("amount", flat=True))


def fee_of(code: str) -> dict[str, Any]:
    """Return the columns of the fee of a door or of signed calls."""
    if code not in FEES:
        return {}
    fee_bp, fee_fixed = FEES[code]
    return {"fee_bp": fee_bp, "fee_fixed": fee_fixed, "fee_payer": PaymentMethod.FeePayer.CUSTOMER}


def run(*, payments: int, seed: int) -> Figures:
    """Run until so many payments were made, and compare the books."""
    settings.UPSTREAM_ALLOW_PRIVATE = True
    logging.disable(logging.WARNING)  # Each lost answer is one.
    with ExitStack() as stack:
        behind = [one for opened in DOORS for one in opened(stack)]
        return _Chaos(payments=payments, seed=seed, behind=behind).run()
