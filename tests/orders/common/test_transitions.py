"""Moves of an order: which are allowed, what each implies, and that no other module makes one."""

from __future__ import annotations

import ast
from datetime import timedelta

import pytest
from django.utils import timezone

from orders.common.transitions import (
    FOLLOWED,
    IMPLIED,
    NO_REVIEW,
    OrderMoved,
    change_status,
    close_review,
    id_columns,
    move,
    move_all,
    write_answers,
)
from orders.models import Order, PlacementAttempt
from orders.states import SUBMISSION_MOVES, ReviewReason, Status, Submission
from tests import make
from tests.scenes import fresh
from tests.test_architecture import DOMAIN, modules

pytestmark = pytest.mark.django_db

LATER = timezone.now() + timedelta(minutes=5)
PAIRS = [(old, new) for old in Submission for new in Submission]
# What the database asks of a row in each submission.
NEEDED: dict[Submission, dict[str, object]] = {
    Submission.ACCEPTED: {"upstream_id": "77"},
    Submission.IN_DOUBT: {"doubt_until": LATER},
    Submission.REFUSED: {"status": Status.CANCELED, "refunded": 250_000},
    Submission.WITHDRAWN: {"status": Status.CANCELED, "refunded": 250_000},
}
# All that a move may have to clear.
BUSY: dict[str, object] = {
    "claim_token": "t" * 32,
    "lease_until": LATER,
    "doubt_until": LATER,
    "next_action_at": LATER,
    "next_poll_at": LATER,
    "review_reason": ReviewReason.DOUBT,
    "review_since": LATER,
    "review_note": "why",
}
TIMES = ("lease_until", "doubt_until", "next_action_at", "next_poll_at")


@pytest.fixture
def order(customer, service):
    return make.order(customer, service)


def order_at(order: Order, submission: Submission, **values: object) -> Order:
    Order.objects.filter(pk=order.pk).update(**{**NEEDED.get(submission, {}), "submission": submission, **values})
    return fresh(order)


@pytest.mark.once
@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_move_when_in_the_table_then_it_is_made_and_else_refused(order, old, new):
    before = order_at(order, old)
    if new in SUBMISSION_MOVES[old]:
        move(order=before, to=new, values=NEEDED.get(new, {}), text="why")
        assert fresh(order).submission == new
        event = order.events.latest("pk")
        assert (event.kind, event.old, event.new, event.text, event.is_public) == ("placement", old, new, "why", False)
        return
    with pytest.raises(OrderMoved):
        move(order=before, to=new, values=NEEDED.get(new, {}), text="why")
    assert fresh(order).submission == old
    assert not order.events.filter(text="why").exists()


@pytest.mark.once
@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_move_of_many_when_in_the_table_then_it_is_made_and_else_not(order, old, new):
    order_at(order, old)
    moved = move_all(Order.objects.filter(pk=order.pk), to=new, values=NEEDED.get(new, {}))
    assert (moved, fresh(order).submission) == ((1, new) if new in SUBMISSION_MOVES[old] else (0, old))


@pytest.mark.parametrize(
    ("old", "new", "kept"),
    [
        (Submission.QUEUED, Submission.SUBMITTING, (*TIMES, "review_reason")),
        (Submission.SUBMITTING, Submission.QUEUED, ("next_action_at", "next_poll_at")),
        (
            Submission.SUBMITTING,
            Submission.IN_DOUBT,
            ("doubt_until", "next_action_at", "next_poll_at", "review_reason"),
        ),
        (Submission.IN_DOUBT, Submission.ACCEPTED, ("next_poll_at",)),
        (Submission.IN_DOUBT, Submission.REFUSED, ()),
        (Submission.QUEUED, Submission.WITHDRAWN, ()),
    ],
)
def test_move_when_made_then_only_what_the_target_forbids_is_cleared(order, old, new, kept):
    before = order_at(order, old, **BUSY)
    move(order=before, to=new, values=NEEDED.get(new, {}))
    after = fresh(order)
    left = {name for name in (*TIMES, "review_reason") if getattr(after, name)}
    assert left == set(kept)
    assert bool(after.review_note) == bool(after.review_since) == ("review_reason" in kept)
    assert after.claim_token == ("" if new == Submission.QUEUED else "t" * 32)
    assert order.events.filter(kind="placement").count() == 0, "no text, no event"


def test_submission_when_listed_then_its_implied_columns_are_defined():
    assert set(IMPLIED) == set(Submission)


@pytest.mark.parametrize(
    "meanwhile",
    [
        {"claim_token": "another"},
        {"review_reason": ReviewReason.WOULD_LOSE},
        {"submission": Submission.SUBMITTING},
        {"refunded": 1},
    ],
    ids=lambda values: next(iter(values)),
)
def test_move_when_the_order_moved_meanwhile_then_nothing_changes(order, meanwhile):
    before = fresh(order)
    Order.objects.filter(pk=order.pk).update(**meanwhile)
    stands = fresh(order)
    with pytest.raises(OrderMoved):
        move(order=before, to=Submission.SUBMITTING, seen=("refunded",), text="why", values={"claim_token": "mine"})
    assert fresh(order).__dict__.keys() == stands.__dict__.keys()
    assert Order.objects.filter(pk=order.pk, claim_token=stands.claim_token, submission=stands.submission).exists()
    assert not order.events.filter(text="why").exists()


@pytest.mark.parametrize(
    ("upstream_id", "number"), [("23501", 23501), ("007", None), ("ord_1", None), ("9" * 30, None)]
)
def test_id_when_it_is_no_plain_number_then_its_number_is_none(upstream_id, number):
    assert id_columns(upstream_id) == {"upstream_id": upstream_id, "upstream_number": number}


def test_move_when_accepted_then_order_has_attempt_of_its_claim(order):
    first, second, _ = (PlacementAttempt.objects.create(order=order, token=token * 32) for token in "abc")
    claimed = order_at(order, Submission.SUBMITTING, claim_token=second.token)
    move(order=claimed, to=Submission.ACCEPTED, values=id_columns("77"))
    assert fresh(order).accepted_attempt_id == second.pk
    assert move_all(Order.objects.filter(pk=order.pk), to=Submission.ACCEPTED, values={}) == 0


@pytest.mark.parametrize(
    "meanwhile",
    [{"status": Status.PARTIAL}, {"refunded": 1}, {"review_reason": ReviewReason.CONTRADICTION}],
    ids=lambda values: next(iter(values)),
)
def test_status_when_the_order_moved_meanwhile_then_it_stays(order, staff, meanwhile):
    before = order_at(order, Submission.ACCEPTED)
    Order.objects.filter(pk=order.pk).update(**meanwhile)
    with pytest.raises(OrderMoved):
        change_status(order=before, to=Status.COMPLETED, text="why", actor=staff, values={})
    assert fresh(order).status != Status.COMPLETED
    assert not order.events.filter(text="why").exists()


def test_status_when_the_order_is_not_accepted_then_it_stays(order, staff):
    with pytest.raises(OrderMoved):
        change_status(
            order=order_at(order, Submission.SUBMITTING), to=Status.COMPLETED, text="why", actor=staff, values={}
        )


@pytest.mark.parametrize(("to", "kind"), [(Status.COMPLETED, "status"), (Status.PENDING, "staff")])
def test_status_when_set_by_staff_then_the_customer_sees_the_reason(order, staff, to, kind):
    change_status(order=order_at(order, Submission.ACCEPTED), to=to, text="why", actor=staff, values=NO_REVIEW)
    event = order.events.latest("pk")
    assert (fresh(order).status, event.kind, event.text, event.is_public, event.actor) == (to, kind, "why", True, staff)


@pytest.mark.parametrize(
    "meanwhile",
    [
        {"review_reason": ReviewReason.LOST_UPSTREAM},
        {"review_note": "more"},
        {"upstream_id": "1", "submission": "placed"},
    ],
    ids=lambda values: next(iter(values)),
)
def test_review_when_it_changed_meanwhile_then_it_stays(order, meanwhile):
    before = order_at(order, Submission.QUEUED, review_reason=ReviewReason.UNKNOWN_ERROR, review_note="why")
    Order.objects.filter(pk=order.pk).update(**meanwhile)
    with pytest.raises(OrderMoved):
        close_review(order=before, seen=("review_note",), closed={"closed_review": "kept"})
    assert fresh(order).review_reason and not fresh(order).closed_review


def test_answers_when_one_status_is_not_allowed_then_none_written(order, customer, service):
    accepted = [
        order_at(one, Submission.ACCEPTED, upstream_id=one.pk) for one in (order, make.order(customer, service))
    ]
    Order.objects.filter(pk=accepted[1].pk).update(status=Status.CANCELED)
    was = {accepted[0].pk: (Status.PENDING, 0), accepted[1].pk: (Status.CANCELED, 0)}
    for one in accepted:
        one.status = Status.COMPLETED
    with pytest.raises(OrderMoved):
        write_answers(orders=accepted, was=was)
    assert [fresh(one).status for one in accepted] == [Status.PENDING, Status.CANCELED]


def test_answers_when_no_order_moved_then_followed_columns_written(order):
    accepted = order_at(order, Submission.ACCEPTED)
    accepted.status, accepted.remains, accepted.finished_at = Status.PARTIAL, 7, LATER
    write_answers(orders=[accepted], was={order.pk: (Status.PENDING, 0)})
    after = fresh(order)
    assert [getattr(after, name) for name in FOLLOWED] == [getattr(accepted, name) for name in FOLLOWED]


@pytest.mark.parametrize(
    "meanwhile", [{"status": Status.PARTIAL}, {"submission": Submission.SUBMITTING}, {"refunded": 5}]
)
def test_answers_when_an_order_moved_meanwhile_then_they_are_refused(order, meanwhile):
    accepted = order_at(order, Submission.ACCEPTED)
    Order.objects.filter(pk=order.pk).update(**meanwhile)
    accepted.status = Status.COMPLETED
    with pytest.raises(OrderMoved):
        write_answers(orders=[accepted], was={order.pk: (Status.PENDING, 0)})
    assert fresh(order).status != Status.COMPLETED


def test_answers_when_they_would_reverse_a_refund_then_refused(order):
    accepted = order_at(order, Submission.ACCEPTED, refunded=5)
    accepted.refunded = 4
    with pytest.raises(OrderMoved):
        write_answers(orders=[accepted], was={order.pk: (Status.PENDING, 5)})
    assert fresh(order).refunded == 5


WRITES = {"update", "update_or_create", "bulk_update", "update_rows", "save"}
KEPT_HERE = {"submission", "status"}


def written_columns(tree: ast.AST) -> set[str]:
    """Return which of the two columns a module's statements set, by keyword or by name."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name not in WRITES:
            continue
        found |= {keyword.arg for keyword in node.keywords if keyword.arg in KEPT_HERE}
        named = (
            one.value
            for argument in [*node.args, *(k.value for k in node.keywords)]
            for one in ast.walk(argument)
            if isinstance(one, ast.Constant)
        )
        if name != "update":
            found |= {value for value in named if isinstance(value, str) and value in KEPT_HERE}
    return found


def test_submission_and_status_when_written_then_by_one_module_only():
    writers = {
        path.name for app in (*DOMAIN, "panel") for path in modules(app) if written_columns(ast.parse(path.read_text()))
    }
    assert writers == {"transitions.py"}


@pytest.mark.parametrize(
    "statement",
    [
        "Order.objects.filter(pk=1).update(submission='queued')",
        "orders.update(status=new, remains=3)",
        "update_rows(model=Order, columns=('status',), rows=rows)",
        "Order.objects.bulk_update(orders, ['submission'])",
        "order.save(update_fields=('status',))",
    ],
)
def test_write_when_in_another_module_then_it_is_found(statement):
    assert written_columns(ast.parse(statement))
