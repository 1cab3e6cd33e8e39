"""Staff may not decide about their own money: each role, each action, by GET and by POST."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing.adjusting import adjust_wallet
from billing.deposits import approve_deposit, confirm_payment, refuse_deposit
from billing.models import Entry
from billing.wallets import wallet_of
from catalog.models import CustomerGroup, CustomerPrice, GroupMember, Service
from orders.many.actions import StaffReason, carry_out, plan_for
from orders.many.cancel import CANCEL
from orders.models import Order
from orders.review import decisions
from orders.review.manual_close import close_accepted
from orders.states import ReviewReason, Status, Submission
from panel.accounts.models import User
from panel.accounts.roles import MANAGER, OWNER, ROLES, SUPPORT, set_up_roles
from panel.lib.own_account import SENTENCE, OwnAccount
from tests import make
from tests.admin_calls import WHY

pytestmark = [pytest.mark.django_db, pytest.mark.once]

SUPERUSER = "Superuser"
EVERYBODY = (*ROLES, SUPERUSER)


@pytest.fixture(autouse=True)
def roles(db):
    set_up_roles()


@pytest.fixture
def offer() -> Service:
    return make.service(make.provider())


def with_role(role: str) -> User:
    """Return a member of staff who is also a customer, with $94 to spend."""
    user = make.customer(f"the-{role.lower()}@example.org", funds="94")
    if role != SUPERUSER:
        user.groups.add(Group.objects.get(name=role))
    User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=role == SUPERUSER)
    user.refresh_from_db()
    return user


def signed_in_as(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


# -- one of each thing that staff decide about, in a state in which they could ------------------------


def placed(customer: User, offer: Service) -> Order:
    return make.accepted_order(customer, offer, quantity=1_000, upstream_id=uuid4().hex[:12])


def reviewed(customer: User, offer: Service) -> Order:
    order = placed(customer, offer)
    Order.objects.filter(pk=order.pk).update(review_reason=ReviewReason.CONTRADICTION, review_since=timezone.now())
    order.refresh_from_db()
    return order


def in_doubt(customer: User, offer: Service) -> Order:
    order = make.order(customer, offer)
    Order.objects.filter(pk=order.pk).update(
        submission=Submission.IN_DOUBT,
        next_action_at=None,
        doubt_until=timezone.now(),
        review_reason=ReviewReason.DOUBT,
        review_since=timezone.now(),
    )
    order.refresh_from_db()
    return order


def queued(customer: User, offer: Service) -> Order:
    return make.order(customer, offer)


def drip(customer: User, offer: Service) -> Any:
    return make.drip(customer, offer)


def deposit(customer: User, offer: Service) -> Any:
    return make.pending_deposit(customer)


def wallet(customer: User, offer: Service) -> Any:
    return wallet_of(customer=customer)


DECIDERS = (OWNER, MANAGER, SUPERUSER)
STAFF = (OWNER, MANAGER, SUPPORT, SUPERUSER)
OWNERS = (OWNER, SUPERUSER)
NOTE = {"note": "mine", "seen": ""}

# The page, whose money it moves, the data posted to it, and who may use the action.
ACTIONS: dict[str, tuple[str, Callable[[User, Service], Any], dict[str, Any], tuple[str, ...]]] = {
    "give back": ("orders_order_give_back", placed, {"amount": "2.50", "note": "mine"}, STAFF),
    "end by hand": ("orders_order_end", placed, {"status": Status.CANCELED, "note": "mine"}, STAFF),
    "dismiss": ("orders_order_dismiss", reviewed, {"note": "mine"}, STAFF),
    "cancel what was sent": ("orders_order_cancel_one", placed, {}, STAFF),
    "cancel what was not": ("orders_order_cancel_one", queued, {}, STAFF),
    "bind": ("orders_order_decide", in_doubt, {"choice": "bind", "upstream_id": "4711"}, STAFF),
    "send again": ("orders_order_decide", in_doubt, {"choice": "send_again", "sure": "on"}, STAFF),
    "refund": ("orders_order_decide", in_doubt, {"choice": "refund", "note": "mine"}, STAFF),
    "search": ("orders_order_decide", in_doubt, {"choice": "search"}, STAFF),
    "stop a drip-feed": ("orders_dripfeed_stop", drip, {}, STAFF),
    "approve": ("billing_deposit_approve", deposit, {"credited": "20"}, DECIDERS),
    "refuse": ("billing_deposit_refuse", deposit, {"reason": "mine"}, DECIDERS),
    "credit": (
        "billing_wallet_move_money",
        wallet,
        {"amount": "20", "kind": Entry.Kind.DEPOSIT, "reason": "mine", "request_key": "a" * 32},
        OWNERS,
    ),
    "adjust": (
        "billing_wallet_move_money",
        wallet,
        {"amount": "-20", "kind": Entry.Kind.ADJUSTMENT, "reason": "mine", "request_key": "b" * 32},
        OWNERS,
    ),
}


def state(obj: Any) -> tuple[Any, ...]:
    """Return what an action would change: the row, the money, the events and the cancel requests."""
    row = type(obj)._default_manager.filter(pk=obj.pk).values().get()
    related = [list(getattr(obj, name).values()) for name in ("events", "cancel_requests") if hasattr(obj, name)]
    return row, list(Entry.objects.values()), related


def seen_on(client: Client, address: str) -> str:
    """Return the state that the page sends with its form."""
    page = client.get(address, follow=True)
    return str((page.context or {}).get("seen", "")) if page.status_code == 200 else ""


# Those with the most and the fewest rights meet each action, the others those in which their rights differ.
MET = [
    (role, name)
    for role in EVERYBODY
    for name, (_, _, _, offered_to) in ACTIONS.items()
    if role in (SUPERUSER, SUPPORT) or offered_to != STAFF or name == "refund"
]


@pytest.mark.parametrize(("role", "name"), MET)
def test_action_when_on_ones_own_account_then_refused_and_logged(role, name, offer):
    page, make_one, data, offered_to = ACTIONS[name]
    user = with_role(role)
    obj = make_one(user, offer)
    client = signed_in_as(user)
    address = reverse(f"admin:{page}", args=[obj.pk])
    before = state(obj)

    opened = client.get(address)
    posted = client.post(address, {**WHY, **data, "seen": opened.context["seen"] if role in offered_to else ""})

    assert state(obj) == before
    if role not in offered_to:
        assert (opened.status_code, posted.status_code) == (403, 403)
        assert not LogEntry.objects.exists()
        return
    for answer in (opened, posted):
        assert answer.status_code == 200
        assert SENTENCE in answer.content.decode()
    assert 'name="seen"' not in opened.content.decode()  # The page has no form of ours to post.
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id) == (user, str(obj.pk))
    assert entry.change_message.startswith("Refused, because it belongs to their own account: ")


@pytest.mark.parametrize("name", [name for name in ACTIONS if name not in ("search", "bind")])
def test_action_when_on_a_colleagues_account_then_done(name, offer):
    """Without this, a guard that refuses everything would pass."""
    page, make_one, data, _ = ACTIONS[name]
    colleague = with_role(SUPPORT)
    obj = make_one(colleague, offer)
    client = signed_in_as(with_role(OWNER))
    address = reverse(f"admin:{page}", args=[obj.pk])
    before = state(obj)
    posted = client.post(address, {**WHY, **data, "seen": seen_on(client, address)})
    assert posted.status_code == 302, posted.content.decode()
    assert state(obj) != before
    assert not LogEntry.objects.filter(change_message__startswith="Refused").exists()


@pytest.mark.parametrize("role", EVERYBODY)
def test_cancel_many_when_own_orders_included_then_own_unchanged(role, offer, customer):
    user = with_role(role)
    make.deposit(customer, "10")
    mine, theirs = make.order(user, offer), make.order(customer, offer)
    client = signed_in_as(user)
    listed = client.post(
        reverse("admin:orders_order_changelist"),
        {"action": "cancel_many", "_selected_action": [mine.pk, theirs.pk]},
    )
    assert StaffReason.OWN in listed.content.decode()
    answer = client.post(
        reverse("admin:orders_order_cancel_selected"), {"orders": listed.context["selection"], **WHY}, follow=True
    )
    assert StaffReason.OWN in answer.content.decode()
    mine.refresh_from_db()
    theirs.refresh_from_db()
    assert (mine.submission, theirs.submission) == (Submission.QUEUED, Submission.WITHDRAWN)
    entry = LogEntry.objects.get(object_id=str(mine.pk))
    assert entry.change_message.startswith("Refused")


# -- terms: what a customer pays ---------------------------------------------------------------------


def terms(name: str, customer: User, offer: Service) -> tuple[Any, dict[str, Any]]:
    """Return a row of terms of `customer`, and what the form posts for another one."""
    if name == "groupmember":
        group = CustomerGroup.objects.create(name=uuid4().hex[:8], discount_bp=500)
        return GroupMember.objects.create(customer=customer, group=group), {"group": group.pk}
    own = CustomerPrice.objects.create(customer=customer, service=offer, price=3_000_000)
    return own, {"service": offer.pk, "price": "2.6"}


@pytest.mark.parametrize("name", ["groupmember", "customerprice"])
@pytest.mark.parametrize("role", EVERYBODY)
def test_terms_when_ones_own_then_not_set(role, name, offer):
    user = with_role(role)
    row, data = terms(name, user, offer)
    before = state(row)
    client = signed_in_as(user)
    base = f"admin:catalog_{name}"
    sent = {
        "change": (reverse(f"{base}_change", args=[row.pk]), data),
        "delete": (reverse(f"{base}_delete", args=[row.pk]), {"post": "yes"}),
        "selected": (
            reverse(f"{base}_changelist"),
            {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"},
        ),
    }
    for what, (address, posted) in sent.items():
        answer = client.post(address, posted, follow=True)
        assert state(row) == before, what
        if role == SUPPORT:
            assert answer.status_code == 403
        else:
            assert SENTENCE in answer.content.decode(), what
    titles = [entry.change_message.rpartition(": ")[2] for entry in LogEntry.objects.order_by("pk")]
    one, many = row._meta.verbose_name, row._meta.verbose_name_plural
    assert titles == ([] if role == SUPPORT else [f"Change {one}.", f"Delete {one}.", f"Delete {many}."])


@pytest.mark.parametrize(
    ("role", "spelling"), [*((MANAGER, one) for one in ("{}", "0{}", " {}", "+{}")), (OWNER, "+{}"), (SUPERUSER, "+{}")]
)
@pytest.mark.parametrize("name", ["groupmember", "customerprice"])
def test_terms_when_the_own_id_is_spelled_otherwise_then_not_set(role, name, spelling, offer):
    user = with_role(role)
    row, data = terms(name, make.customer("theirs@example.org"), offer)
    address = reverse(f"admin:catalog_{name}_add")
    answer = signed_in_as(user).post(address, {**data, "customer": spelling.format(user.pk)}, follow=True)
    assert SENTENCE in answer.content.decode()
    assert not type(row).objects.filter(customer=user).exists()
    assert LogEntry.objects.count() == 1


def test_terms_when_the_page_address_is_quoted_then_not_set(offer):
    user = with_role(MANAGER)
    row, data = terms("customerprice", user, offer)
    before = state(row)
    client = signed_in_as(user)
    client.post(f"/admin/catalog/customerprice/_2B{row.pk}/change/", data)
    assert state(row) == before
    assert LogEntry.objects.count() == 1


@pytest.mark.parametrize("role", [OWNER, MANAGER, SUPERUSER])
def test_discount_when_of_ones_own_group_then_not_set(role, offer):
    user = with_role(role)
    row, _ = terms("groupmember", user, offer)
    address = reverse("admin:catalog_customergroup_change_discount", args=[row.group_id])
    client = signed_in_as(user)
    for answer in (client.get(address, {"discount": "90"}), client.post(address, {"discount": "90", "seen": "500"})):
        assert SENTENCE in answer.content.decode()
        assert 'name="discount"' not in answer.content.decode()
    row.group.refresh_from_db()
    assert row.group.discount_bp == 500
    assert LogEntry.objects.get().change_message.startswith("Refused")


@pytest.mark.parametrize("name", ["groupmember", "customerprice"])
def test_terms_when_a_colleagues_then_set(name, offer):
    row, data = terms(name, with_role(SUPPORT), offer)
    client = signed_in_as(with_role(MANAGER))
    assert client.post(reverse(f"admin:catalog_{name}_change", args=[row.pk]), data).status_code == 302
    deleted = client.post(reverse(f"admin:catalog_{name}_delete", args=[row.pk]), {"post": "yes"})
    assert deleted.status_code == 302
    assert not type(row).objects.exists()


# -- the services themselves, whoever calls them -----------------------------------------------------

SERVICES: dict[str, tuple[Callable[[User, Service], Any], Callable[[Any, Any], Any]]] = {
    "refund_part": (placed, lambda order, actor: decisions.refund_part(order=order, amount=1, note="x", actor=actor)),
    "refund_unaccepted": (
        in_doubt,
        lambda order, actor: decisions.refund_unaccepted(order=order, note="x", actor=actor),
    ),
    "send_again": (in_doubt, lambda order, actor: decisions.send_again(order=order, actor=actor)),
    "dismiss_review": (reviewed, lambda order, actor: decisions.dismiss_review(order=order, note="x", actor=actor)),
    "bind": (
        in_doubt,
        lambda order, actor: decisions.bind_upstream_id(order=order, upstream_id="4711", actor=actor),
    ),
    "close_accepted": (
        placed,
        lambda order, actor: close_accepted(order=order, status=Status.CANCELED, note="x", actor=actor),
    ),
    "approve_deposit": (
        deposit,
        lambda one, actor: approve_deposit(deposit_id=one.pk, credited=20_000_000, actor=actor),
    ),
    "refuse_deposit": (deposit, lambda one, actor: refuse_deposit(deposit_id=one.pk, reason="x", actor=actor)),
    "adjust_wallet": (
        wallet,
        lambda one, actor: adjust_wallet(
            wallet=one, amount=5, kind=Entry.Kind.BONUS, reason="x", request_key=uuid4().hex, actor=actor
        ),
    ),
}


@pytest.mark.parametrize("name", SERVICES)
def test_service_when_the_actor_is_the_customer_then_it_raises(name, offer):
    make_one, call = SERVICES[name]
    user = with_role(SUPPORT)
    obj = make_one(user, offer)
    before = state(obj)
    with pytest.raises(OwnAccount):
        call(obj, user)
    assert state(obj) == before
    call(obj, with_role(OWNER))
    assert state(obj) != before


def test_cancel_many_when_all_are_own_then_nothing_is_done(offer):
    user = with_role(OWNER)
    orders = [make.order(user, offer) for _ in range(2)]
    assert plan_for(CANCEL, orders=orders, actor=user).left == {StaffReason.OWN: 2}
    result = carry_out(CANCEL, orders=orders, actor=user)
    assert (result.left, result.refunded, result.able) == ({StaffReason.OWN: 2}, 0, [])


def test_payment_when_confirmed_by_gateway_then_staff_are_credited(offer):
    user = with_role(SUPPORT)
    one = make.pending_deposit(user)
    assert confirm_payment(deposit_id=one.pk, credited=one.amount).credited == one.amount


def test_own_page_when_staff_cancel_there_then_treated_as_customers(offer):
    """Staff may do what any customer may do with their own order, on the customers' pages."""
    user = with_role(SUPPORT)
    order = make.order(user, offer)
    answer = signed_in_as(user).post(reverse("order_cancel", args=[order.pk]))
    assert answer.status_code == 302
    order.refresh_from_db()
    assert order.submission == Submission.WITHDRAWN
