"""One of everything, for tests that open every page, and the people who open them."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.utils import timezone

from billing.intake import gateways
from billing.models import BankLine, ComparedDay, Coupon, GatewayCall, Invoice, Payment, PaymentMethod, Reversal
from billing.wallets import wallet_of
from catalog.models import (
    CatalogChange,
    CustomerGroup,
    CustomerPrice,
    GroupMember,
    PriceChange,
    Provider,
    ProviderWord,
    SyncRun,
    TypeWord,
)
from catalog.pauses import PauseKind, pause_provider
from catalog.prices.changes import apply_change, draft_change
from catalog.prices.edits import Edit
from catalog.prices.storage import price_policy
from orders.models import (
    CancelRequest,
    LateOrders,
    MoneyDay,
    Order,
    OrderDraft,
    OrderInReview,
    Orphan,
    Refill,
    SavedView,
    SendingStop,
)
from orders.states import CancelState, ReviewReason, StopReason
from panel.accounts.blocking import block
from panel.accounts.models import CustomerNote, Role, SignIn, User
from panel.accounts.own_roles import give_rights
from panel.accounts.roles import OWNER
from panel.activity.models import Act
from panel.alerts.causes import Cause
from panel.alerts.models import Alert, ErrorReport
from panel.alerts.services import raise_alert
from panel.api.keys.services import make_key
from panel.channels.models import Channel, Delivery
from panel.levels.models import LevelMove
from panel.lib.crypto import encrypt
from panel.lib.money import EXCHANGE_ONE
from panel.news.models import NewsItem
from panel.site.models import SettingChange
from panel.site.registry import PANEL_NAME
from panel.staff.models import SecondLook, StaffDeed, StaffLimit
from tests import make
from tests.gateway import doors


def with_role(name: str, email: str = "") -> User:
    """Create a member of staff with the role of this name."""
    user = make.customer(email or f"the-{name.lower()}@example.org")
    user.groups.add(Group.objects.get(name=name))
    User.objects.filter(pk=user.pk).update(is_staff=True)
    user.refresh_from_db()
    return user


def own_role(name: str, rights: tuple[str, ...]) -> Role:
    """Create a role as an owner would, with these rights."""
    role = Role.objects.create(name=name)
    give_rights(role=role, rights=rights, seen=None)
    return role


def acted(user: User, group: CustomerGroup) -> Act:
    entry = LogEntry.objects.log_actions(str(user.pk), [group], 2, "Changed.", single_object=True)
    return Act.objects.get(pk=entry.pk)


def channel(kind: Channel.Kind) -> Channel:
    return Channel.objects.create(
        name=f"By {kind}", kind=kind, target="a@example.org", secret_encrypted=encrypt("a secret")
    )


def delivered(channel: Channel) -> Delivery:
    attempt = {"at": timezone.now().isoformat(), "result": "delivered", "text": "250 fine", "ms": 12}
    return Delivery.objects.create(
        channel=channel, kind="test", uid="msg_1", subject="A test", text="Fine.", state="delivered", log=[attempt]
    )


def compared_day(method: PaymentMethod) -> ComparedDay:
    now = timezone.now()
    return ComparedDay.objects.create(method=method, day=timezone.localdate(), listed_at=now, asked_at=now)


def bank_line(**values: Any) -> BankLine:
    method = PaymentMethod.objects.filter(kind="transfer").first()
    assert method
    digest = str(BankLine.objects.count())
    return BankLine.objects.create(method=method, digest=digest, day=timezone.localdate(), amount=1, text="x", **values)


def applied_change() -> PriceChange:
    edits = [Edit("panel", (1,), {"margin_bp": 5_000})]
    change = draft_change(edits=edits, source="panel", summary="More", actor=None)
    apply_change(change=change, seen=None, actor=None)
    return change


def open_shop(customer: User, provider: Provider) -> dict[str, Any]:
    """Create one of everything, in a state in which every action is offered to those who may take it.

    The keys are labels of models, and the names of routes that need another object of their model.
    """
    service = make.service(provider)
    order = make.accepted_order(customer, service, quantity=1_000)
    Order.objects.filter(pk=order.pk).update(
        review_reason=ReviewReason.CONTRADICTION, review_note="x", review_since=timezone.now()
    )
    pause_provider(provider=provider, kind=PauseKind.FUNDS, text="our balance there is used up")
    raise_alert(cause=Cause.NO_PRICE, text="3 services have no valid price any more.")
    group = CustomerGroup.objects.create(name="Friends", discount_bp=500)
    run = SyncRun.objects.create(
        provider=provider, outcome=SyncRun.Outcome.REFUSED, reason="The list is empty.", phase=SyncRun.Phase.DONE
    )
    objects = (
        customer,
        own_role("Nobody's", ("see_orders",)),
        make_key(customer=customer, name="Shop").key,
        provider,
        service,
        service.category,
        order,
        OrderInReview.objects.get(),
        CancelRequest.objects.create(order=order, provider=provider, state=CancelState.REFUSED, next_action_at=None),
        Refill.objects.create(order=order, provider=provider),
        price_policy(),
        group,
        GroupMember.objects.create(customer=customer, group=group),
        CustomerPrice.objects.create(customer=customer, service=service, price=3_000_000),
        SendingStop.objects.create(reason=StopReason.STAFF, text="Too many complaints."),
        applied_change(),
        CatalogChange.objects.create(
            provider=provider, upstream=service.upstream, service=service, topic="rate", kind="rate_up"
        ),
        run,
        TypeWord.objects.create(provider=provider, word="likes"),
        ProviderWord.objects.create(provider=provider, about="add", text="blarg"),
        wallet_of(customer=customer),
        wallet_of(customer=customer).entries.first(),
        make.drip(customer, service),
        LateOrders.objects.create(
            provider=provider, service=service, late=1, since=timezone.now(), day=timezone.localdate()
        ),
        MoneyDay.objects.create(provider=provider, day=timezone.localdate(), currency="USD", opening=1, closing=1),
        Orphan.objects.create(provider=provider, upstream_id="9009"),
        make.payment_method(),
        make.pending_deposit(customer),
        Coupon.objects.create(code="WELCOME", bonus_bp=500),
        Alert.objects.get(cause=Cause.NO_PRICE),
        ErrorReport.objects.create(number="7F3C9A2B", group="a", kind="ValueError", place="x", where="x", trace="x"),
        acted(customer, group),
        EmailAddress.objects.create(user=customer, email=customer.email),
        Authenticator.objects.create(user=customer, type="totp", data={}),
        CustomerNote.objects.create(customer=customer, author=customer, text="Asked twice.", request_key="x"),
        SignIn.objects.create(user=customer, outcome=SignIn.Outcome.SIGNED_IN),
        SecondLook.objects.create(
            act="refund_part",
            kind="refund",
            model="orders.order",
            object_id=order.pk,
            customer=customer,
            amount=1,
            text="Refund it",
            reason="other",
            request_key="x",
            asked_by=customer,
            not_before=timezone.now(),
        ),
        StaffLimit.objects.create(role=OWNER, kind="bonus", at_once=1, a_day=1),
        StaffDeed(pk=1),
        NewsItem.objects.create(
            customer=customer, kind="order_ended", word="partial", key="1", number=order.pk, happened_at=timezone.now()
        ),
        LevelMove.objects.create(
            customer=customer,
            after="Friends",
            discount_bp=500,
            spent=1,
            period_days=0,
            is_up=True,
            moved_at=timezone.now(),
        ),
        SavedView.objects.create(customer=customer, name="Client A", query="status=partial"),
        # Short of money, so that the pages about it name it.
        OrderDraft.objects.create(customer=customer, service_name="Followers", charge=10**12, is_short=True),
        SettingChange.objects.create(name=PANEL_NAME.name, version=1, old=None, new="Other"),
    )
    RecoveryCodes.activate(customer).mark_as_viewed()
    # A price change has a preview as a draft, and an undo once applied.
    edits = [Edit("panel", (1,), {"margin_bp": 7_000})]
    draft = draft_change(edits=edits, source="panel", summary="Still more", actor=None)
    invited = make.invited("invited@example.org")
    blocked = make.customer("blocked@example.org")
    block(customer=blocked, reason="Chargebacks.")
    raise_alert(cause=Cause.CLOCK_JUMP, text="The clock jumped.")
    signed = make.payment_method(kind="signed", name="Signed")
    held = Payment.objects.create(
        method=signed, external_id="bank-1", currency="USD", came_in=1, state="held", hold="unknown_reference"
    )
    by_gateway = make.payment_method(kind="fake", name="Fake")
    gateways.register(doors.Fake())
    invoice = Invoice.objects.create(
        deposit=make.pending_deposit(customer, method=by_gateway),
        method=by_gateway,
        our_ref="x",
        amount=1,
        currency="USD",
    )
    channels = {kind: channel(kind) for kind in Channel.Kind}
    special = {
        "channels_channel_link_chat": channels[Channel.Kind.TELEGRAM],
        "channels_channel_new_secret": channels[Channel.Kind.WEBHOOK],
        "channels.Channel": channels[Channel.Kind.MAIL],
        "channels.Delivery": delivered(channels[Channel.Kind.MAIL]),
        "ops_alert_trust_clock": Alert.objects.get(cause=Cause.CLOCK_JUMP),
        "billing_paymentmethod_signed_calls": signed,
        "billing_paymentmethod_gateway": by_gateway,
        "billing.Invoice": invoice,
        "billing.ComparedDay": compared_day(by_gateway),
        "billing.BankLine": bank_line(),
        "billing_bankline_reopen": bank_line(state="dismissed", decided_at=timezone.now()),
        "billing.Reversal": Reversal.objects.create(payment=held, amount=1),
        "billing.Payment": held,
        "billing.GatewayCall": GatewayCall.objects.create(method=signed, outcome="refused", size=0),
        "billing_wallet_of_customer": customer,
        "catalog_pricechange_preview": draft,
        "catalog_provider_confirm_rate": make.provider(
            name="Odd", exchange_rate=EXCHANGE_ONE // 1_000, confirmed_exchange_rate=EXCHANGE_ONE
        ),
        "accounts_user_unblock": blocked,
        "accounts_user_invite_again": invited,
        "accounts_user_withdraw_invitation": invited,
    }
    return {**special, **{obj._meta.label: obj for obj in objects}}
