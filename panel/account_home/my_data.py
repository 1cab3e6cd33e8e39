"""Everything that the panel has about one customer, as one JSON document that is written while it is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.utils import timezone

from billing.models import Deposit, Entry
from billing.wallets import wallet_of
from catalog.models import Favourite
from orders.models import DripFeed, Order, OrderDraft, SavedView
from panel.accounts.models import ApiKey, SignIn, User
from panel.levels.models import LevelMove
from panel.lib.keyset_pagination import each_row
from panel.lib.money import format_plain
from panel.news.models import NewsItem


def my_data(customer: User) -> Iterator[str]:
    """Yield the document in parts. Rows are read a thousand at a time, so a million orders take no memory.

    Amounts are in whole units of the panel's currency, exactly. Secrets are not in it: no password, no key.
    """
    yield f'{{"profile": {_text(_profile(customer))}'
    for name, rows in _lists(customer).items():
        yield f',\n"{name}": ['
        for place, row in enumerate(rows()):
            yield f"{',' if place else ''}\n{_text(row)}"
        yield "]"
    yield "}\n"


def _lists(customer: User) -> dict[str, Callable[[], Iterable[dict[str, Any]]]]:
    return {
        "addresses": lambda: (
            {"email": one.email, "is_confirmed": one.verified, "is_in_use": one.primary}
            for one in EmailAddress.objects.filter(user=customer).order_by("pk")
        ),
        "api_keys": lambda: map(_key, ApiKey.objects.filter(customer=customer).order_by("pk")),
        "sessions": lambda: (
            {"address": one.ip, "browser": one.user_agent, "since": one.created_at, "last_seen": one.last_seen_at}
            for one in UserSession.objects.filter(user=customer).order_by("pk")
        ),
        "sign_ins": lambda: map(_sign_in, each_row(SignIn.objects.filter(user=customer))),
        "favorites": lambda: (
            {"service": one.service_id, "name": one.service.name}
            for one in Favourite.objects.filter(customer=customer).select_related("service")
        ),
        "saved_views": lambda: (
            {"name": one.name, "filters": one.query} for one in SavedView.objects.filter(customer=customer)
        ),
        "news": lambda: (
            {"kind": one.kind, "state": one.word, "count": one.count, "number": one.number, "at": one.happened_at}
            for one in each_row(NewsItem.objects.filter(customer=customer))
        ),
        "levels": lambda: (
            {"from": one.before, "to": one.after, "spent": format_plain(one.spent), "at": one.moved_at}
            for one in each_row(LevelMove.objects.filter(customer=customer))
        ),
        "drafts": lambda: (
            {"typed": one.typed, "at": one.updated_at} for one in OrderDraft.objects.filter(customer=customer)
        ),
        "deposits": lambda: map(_deposit, each_row(_deposits(customer))),
        "drip_feeds": lambda: map(_drip, each_row(DripFeed.objects.filter(customer=customer))),
        "orders": lambda: map(_order, each_row(Order.objects.filter(customer=customer))),
        "transactions": lambda: map(
            _entry, each_row(wallet_of(customer=customer).entries.all(), key="seq", is_unique=True)
        ),
    }


def _profile(customer: User) -> dict[str, Any]:
    return {
        "email": customer.email,
        "first_name": customer.first_name,
        "last_name": customer.last_name,
        "time_zone": customer.time_zone,
        "joined": customer.date_joined,
        "last_sign_in": customer.last_login,
        "balance": format_plain(wallet_of(customer=customer).balance),
        "made_at": timezone.now(),
    }


def _key(key: ApiKey) -> dict[str, Any]:
    return {
        "name": key.name,
        "ends_in": key.ending,
        "made": key.created_at,
        "revoked": key.revoked_at,
        "last_used": key.last_used_at,
        "last_address": key.last_address,
        "networks": key.networks,
    }


def _sign_in(one: SignIn) -> dict[str, Any]:
    return {
        "outcome": one.outcome,
        "typed": one.typed,
        "address": one.address,
        "browser": one.agent,
        "times": one.times,
        "at": one.created_at,
    }


def _deposits(customer: User) -> Any:
    return Deposit.objects.filter(customer=customer).select_related("method")


def _deposit(one: Deposit) -> dict[str, Any]:
    return {
        "number": one.pk,
        "method": one.method.name,
        "amount": format_plain(one.amount),
        "came_in": None if one.credited is None else format_plain(one.credited),
        "fee": format_plain(one.fee),
        "bonus": format_plain(one.bonus),
        "reference": one.reference,
        "file": one.receipt_name,
        "state": one.state,
        "note": one.note,
        "at": one.created_at,
        "said_paid": one.paid_at,
        "decided": one.decided_at,
    }


def _drip(one: DripFeed) -> dict[str, Any]:
    return {
        "number": one.pk,
        "service": one.service_name,
        "link": one.link,
        "quantity": one.quantity,
        "runs": one.runs,
        "minutes_between": one.interval,
        "details": one.params,
        "charge": format_plain(one.charge),
        "refunded": format_plain(one.refunded),
        "state": one.state,
        "at": one.created_at,
    }


def _order(one: Order) -> dict[str, Any]:
    return {
        "number": one.pk,
        "service": one.service_name,
        "link": one.link,
        "quantity": one.quantity,
        "details": one.params,
        "charge": format_plain(one.charge),
        "refunded": format_plain(one.refunded),
        "status": one.status,
        "note": one.status_note,
        "delivered": one.delivered,
        "drip_feed": one.drip_feed_id,
        "at": one.created_at,
        "ended": one.finished_at,
    }


def _entry(one: Entry) -> dict[str, Any]:
    return {
        "number": one.seq,
        "kind": one.kind,
        "amount": format_plain(one.amount),
        "balance_after": format_plain(one.balance_after),
        "order": one.order_ref,
        "drip_feed": one.drip_ref,
        "note": one.memo,
        "at": one.created_at,
    }


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, default=_moment)


def _moment(value: object) -> str:
    return (
        value.astimezone(timezone.get_default_timezone()).isoformat(timespec="seconds")
        if isinstance(value, datetime)
        else str(value)
    )
