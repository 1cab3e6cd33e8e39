"""How the tests of the served API speak to it, and what they share."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from django.test import Client

from catalog.models import Service
from catalog.service_types import SPECS
from orders.models import Order
from orders.states import FINAL, Submission
from panel.api.keys.services import make_key

ADDRESS = "/api/v2"
LINK = "https://example.com/page"


def key_of(customer: Any, **values: Any) -> str:
    """A new key of the customer, as its program sends it."""
    return make_key(customer=customer, name="My panel", **values).secret


def answer_of(response: Any) -> Any:
    """What it says: HTTP 200 and JSON, whatever it is."""
    assert response.status_code == 200, response.content
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"
    return json.loads(response.content)


def call_api(key: str, action: str, **params: Any) -> Any:
    """As most programs ask: a form."""
    return answer_of(Client().post(ADDRESS, {"key": key, "action": action, **params}))


def add(key: str, sold: Service, **params: Any) -> Any:
    """100 of the service, unless told otherwise."""
    return call_api(key, "add", **{"service": sold.pk, "link": LINK, "quantity": 100, **params})


def params_of(service: Service) -> dict[str, str]:
    """What the type asks for beyond service and link."""
    spec = SPECS[service.type]
    texts = {
        "comments": "Nice\nGreat\nWow",
        "usernames": "anna\nben\ncarl",
        "hashtags": "#one\n#two",
        "media": "https://example.com/p/1",
        "answer_number": "2",
        "country": "US",
        "device": "4",
        "type_of_traffic": "2",
        "referring_url": "https://example.com/from",
    }
    params = {one.name: texts.get(one.name, "blue shoes") for one in spec.params if one.name != "google_keyword"}
    return {**params, "quantity": "100"} if spec.takes_quantity else params


def set_order_state(order: Order, status: str, **values: Any) -> Order:
    """As if its provider, or staff, had brought it there."""
    Order.objects.filter(pk=order.pk).update(
        status=status,
        submission=Submission.ACCEPTED,
        upstream_id=order.upstream_id or uuid4().hex,
        next_action_at=None,
        finished_at=order.created_at if status in FINAL else None,
        **values,
    )
    order.refresh_from_db()
    return order
