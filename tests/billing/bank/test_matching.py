"""Lines of bank statements: stored once, proposed with how sure, and decided once."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from billing.bank.decide import LineRefused, approve_line, dismiss_line, reopen_line
from billing.bank.lines import read_statement, store_lines
from billing.bank.matching import Sureness, match_line, match_lines, waiting_lines
from billing.bank.read import Incoming
from billing.deposits import AlreadyDecided, DecisionRefused, approve_deposit, cancel_deposit
from billing.models import BankLine, Deposit
from billing.references import shown_code
from billing.wallets import balance_of
from panel.accounts.models import User
from panel.lib.money import MICRO
from panel.lib.own_account import OwnAccount
from panel.lib.panel_days import panel_day
from panel.staff.deeds import AboveLimit
from panel.staff.kinds import DEFAULTS, Limit
from panel.staff.limits import store_limits
from panel.staff.models import StaffDeed
from tests import make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]


@pytest.fixture
def method():
    return make.payment_method()


@pytest.fixture
def alice():
    return make.customer("alice@example.org")


def line(method, amount="100", text="", day: date | None = None, *, staff: User | None = None) -> BankLine:
    count = BankLine.objects.count()
    incoming = Incoming(1, day or panel_day(), make.micros(amount), text, count)
    store_lines(method=method, incoming=[incoming], actor=staff or User.objects.order_by("pk").first())
    return BankLine.objects.order_by("-pk")[0]


def proposals(method) -> list[list[tuple[int, Sureness]]]:
    matched = match_lines(method=method, lines=list(waiting_lines(method=method)))
    return [[(one.deposit.pk, one.sureness) for one in each.proposals] for each in matched]


def hint(method) -> str:
    [matched] = match_lines(method=method, lines=list(waiting_lines(method=method)))
    return matched.hint


def test_statement_when_uploaded_twice_or_overlapping_then_each_line_once(method, staff):
    head, day = "Date;Amount;Text\n", panel_day().isoformat()
    first = f"{head}{day};5,00;a\n{day};5,00;a\n{day};7,00;b\n"
    second = f"{head}{day};5,00;a\n{day};7,00;b\n{day};9,00;c\n"
    counts = []
    for text in (first, first, second):
        _, _, reading = read_statement(text=text)
        stored = store_lines(method=method, incoming=reading.incoming, actor=staff)
        counts.append((stored.new, len(stored.known)))
    assert counts == [(3, 0), (0, 3), (1, 2)]


def test_statements_when_a_later_has_the_second_of_two_equal_rows_then_told_or_stored(method, staff):
    """The second statement begins at noon: only a time tells its row from the first one."""
    day = panel_day().isoformat()
    plain, hour, column = (
        "Date;Amount;Text\n{};5,00;a\n",
        "Date;Amount;Text\n{} {};5,00;a\n",
        "Date;Time;Amount\n{};{};5,00\n",
    )
    for shape, new in ((plain, 0), (hour, 1), (column, 1)):
        for time in ("09:15", "14:30"):
            _, _, reading = read_statement(text=shape.format(day, time))
            stored = store_lines(method=method, incoming=reading.incoming, actor=staff)
        assert (stored.new, [one.line for one in stored.known]) == (new, [] if new else [2])


@pytest.mark.parametrize("shape", ["{}", "SEPA {} danke", "{shown}"])
def test_line_when_our_code_and_amount_are_in_it_then_sure(method, alice, shape):
    deposit = make.pending_deposit(alice, method=method)
    make.pending_deposit(alice, method=method)
    line(method, "100", shape.format(deposit.code, shown=shown_code(deposit.code)))
    assert proposals(method)[0][0] == (deposit.pk, Sureness.SURE)


def test_line_when_its_code_comes_with_another_amount_then_only_likely(method, alice):
    deposit = make.pending_deposit(alice, method=method)
    other = make.pending_deposit(alice, "95", method=method)
    line(method, "95", deposit.code)
    assert proposals(method) == [[(deposit.pk, Sureness.LIKELY), (other.pk, Sureness.LIKELY)]]


def test_line_when_only_the_customers_reference_fits_then_never_sure(method, alice):
    """Another customer may type the same reference."""
    deposit = make.pending_deposit(alice, method=method, reference="Invoice 4711-A")
    make.pending_deposit(alice, method=method)
    line(method, "100", "your INVOICE 4711 A")
    assert proposals(method)[0][0] == (deposit.pk, Sureness.LIKELY)
    line(method, "55", "your INVOICE 4711 A")
    assert proposals(method)[1] == [(deposit.pk, Sureness.POSSIBLE)]


def test_line_when_its_amount_is_the_only_one_then_likely_else_possible(method, alice):
    deposit = make.pending_deposit(alice, "33", method=method)
    line(method, "33")
    assert proposals(method) == [[(deposit.pk, Sureness.LIKELY)]]
    make.pending_deposit(alice, "33", method=method)
    assert {sureness for _, sureness in proposals(method)[0]} == {Sureness.POSSIBLE}


def test_line_when_its_amount_was_approved_by_hand_then_said_and_possible(method, alice, staff):
    by_hand = make.pending_deposit(alice, "33", method=method)
    other = make.pending_deposit(make.customer("bob@example.org"), "33", method=method)
    approve_deposit(deposit_id=by_hand.pk, credited=33 * MICRO, actor=staff)
    one = line(method, "33")
    assert proposals(method) == [[(other.pk, Sureness.POSSIBLE)]]
    assert f"Request {by_hand.pk} was approved by hand" in hint(method)
    assert match_line(line=one).hint == hint(method)


def test_line_when_our_code_says_whose_it_is_then_sure_beside_others_by_hand(method, alice, staff):
    by_hand, waits = (make.pending_deposit(alice, "33", method=method) for _ in range(2))
    approve_deposit(deposit_id=by_hand.pk, credited=33 * MICRO, actor=staff)
    line(method, "33", waits.code)
    assert proposals(method) == [[(waits.pk, Sureness.SURE)]]


def test_line_when_a_line_or_long_ago_approved_the_same_amount_then_likely(method, alice, staff):
    with_line, long_ago, waits = (make.pending_deposit(alice, "33", method=method) for _ in range(3))
    approve_line(line_id=line(method, "33").pk, deposit_id=with_line.pk, actor=staff)
    approve_deposit(deposit_id=long_ago.pk, credited=33 * MICRO, actor=staff)
    Deposit.objects.filter(pk=long_ago.pk).update(created_at=long_ago.created_at - timedelta(days=60))
    line(method, "33")
    assert proposals(method) == [[(waits.pk, Sureness.LIKELY)]]


def test_line_when_alone_then_as_sure_as_among_all_that_wait(method, alice):
    deposit = make.pending_deposit(alice, method=method)
    make.pending_deposit(alice, "44", method=method)
    lines = [
        line(method, "100", deposit.code),
        line(method, "44"),
        line(method, "100", deposit.code),
        line(method, "44"),
    ]
    together = match_lines(method=method, lines=list(waiting_lines(method=method)))
    assert [match_line(line=one).best for one in lines] == [one.best for one in together]
    assert [one.best.sureness for one in together] == [3, 1, 1, 1]


def test_line_when_too_early_or_of_another_method_then_not_proposed(method, alice):
    make.pending_deposit(alice, "33", method=method)
    make.pending_deposit(alice, "44", method=make.payment_method(name="Other"))
    line(method, "33", day=panel_day() - timedelta(days=9))
    line(method, "44")
    assert proposals(method) == [[], []]


def test_line_when_its_code_is_of_a_decided_request_then_said_and_nothing_sure(method, alice, staff):
    deposit = make.pending_deposit(alice, method=method)
    other = make.pending_deposit(alice, method=method)
    cancel_deposit(deposit=deposit)
    line(method, "100", deposit.code)
    assert "is canceled already" in hint(method)
    assert proposals(method) == [[(other.pk, Sureness.POSSIBLE)]]


def test_line_when_it_has_two_codes_then_said_and_nothing_sure(method, alice):
    codes = [make.pending_deposit(alice, method=method).code for _ in range(2)]
    line(method, "100", " ".join(codes))
    assert "several requests" in hint(method)
    assert {sureness for _, sureness in proposals(method)[0]} == {Sureness.POSSIBLE}


def test_lines_when_two_have_the_same_code_then_one_is_sure(method, alice):
    deposit = make.pending_deposit(alice, method=method)
    for _ in range(2):
        line(method, "100", deposit.code)
    assert proposals(method) == [[(deposit.pk, Sureness.SURE)], [(deposit.pk, Sureness.POSSIBLE)]]


def test_matching_when_lines_grow_then_statements_do_not(method, alice, django_assert_num_queries):
    for number in range(6):
        deposit = make.pending_deposit(make.customer(f"c{number}@example.org"), method=method)
        line(method, "100", deposit.code)
    lines = list(waiting_lines(method=method))
    make.payment_method(name="Another")
    with django_assert_num_queries(6):
        match_lines(method=method, lines=lines)


# -- deciding --------------------------------------------------------------------------------------------


def test_line_when_approved_then_what_came_in_is_credited_once(method, alice, staff):
    deposit = make.pending_deposit(alice, "100", method=method)
    one = line(method, "95", deposit.code)
    assert approve_line(line_id=one.pk, deposit_id=deposit.pk, actor=staff).credited == 95 * MICRO
    with pytest.raises(LineRefused, match="decided about this line"):
        approve_line(line_id=one.pk, deposit_id=deposit.pk, actor=staff)
    one.refresh_from_db()
    assert (one.state, one.deposit, one.decided_by, balance_of(customer=alice)) == (
        "approved",
        deposit,
        staff,
        95 * MICRO,
    )
    assert StaffDeed.objects.get().amount == 95 * MICRO


def test_line_when_its_deposit_came_by_another_line_then_refused_and_waits(method, alice, staff):
    deposit = make.pending_deposit(alice, method=method)
    first, second = line(method), line(method)
    approve_line(line_id=first.pk, deposit_id=deposit.pk, actor=staff)
    with pytest.raises(LineRefused, match="another line"):
        approve_line(line_id=second.pk, deposit_id=deposit.pk, actor=staff)
    second.refresh_from_db()
    assert (second.state, balance_of(customer=alice)) == ("waiting", 100 * MICRO)


def test_line_when_its_deposit_was_approved_by_hand_then_refused_and_waits(method, alice, staff):
    deposit = make.pending_deposit(alice, method=method)
    one = line(method)
    approve_deposit(deposit_id=deposit.pk, credited=MICRO, actor=staff)
    with pytest.raises(AlreadyDecided, match="It is added already"):
        approve_line(line_id=one.pk, deposit_id=deposit.pk, actor=staff)
    one.refresh_from_db()
    assert (one.state, one.deposit, balance_of(customer=alice)) == ("waiting", None, MICRO)


def test_line_when_above_the_limit_or_ones_own_then_nothing_moves(method, alice, staff):
    store_limits(dict.fromkeys(DEFAULTS, Limit(0, 0)))
    for user, error in ((alice, AboveLimit), (staff, OwnAccount)):
        one, deposit = line(method), make.pending_deposit(user, method=method)
        with pytest.raises(error):
            approve_line(line_id=one.pk, deposit_id=deposit.pk, actor=staff)
        one.refresh_from_db()
        assert (one.state, Deposit.objects.get(pk=deposit.pk).state, balance_of(customer=user)) == (
            "waiting",
            "pending",
            0,
        )
    assert issubclass(AlreadyDecided, DecisionRefused)


def test_line_when_dismissed_then_it_waits_again_only_if_reopened(method, alice, staff):
    one, deposit = line(method), make.pending_deposit(alice, method=method)
    dismiss_line(line_id=one.pk, actor=staff, note="Rent.")
    for refused in (
        lambda: dismiss_line(line_id=one.pk, actor=staff, note="Again."),
        lambda: approve_line(line_id=one.pk, deposit_id=deposit.pk, actor=staff),
    ):
        with pytest.raises(LineRefused):
            refused()
    assert list(waiting_lines(method=method)) == []
    reopen_line(line_id=one.pk)
    approve_line(line_id=one.pk, deposit_id=deposit.pk, actor=staff)
    with pytest.raises(LineRefused):
        reopen_line(line_id=one.pk)


def test_line_when_the_file_came_for_another_method_too_then_said_and_not_sure(method, alice, staff):
    deposit = make.pending_deposit(alice, "100", method=method)
    text = f"from A {shown_code(deposit.code)}"
    other = make.payment_method(name="Wise")
    for each in (other, method):
        incoming = Incoming(1, panel_day(), make.micros("100"), text, 0)
        store_lines(method=each, incoming=[incoming], actor=staff)
    assert hint(method).startswith("The same line came for Wise as well: ")
    assert proposals(method) == [[(deposit.pk, Sureness.POSSIBLE)]]
    dismiss_line(line_id=waiting_lines(method=other).get().pk, actor=staff, note="brought in for the wrong one")
    assert (hint(method), proposals(method)) == ("", [[(deposit.pk, Sureness.SURE)]])
