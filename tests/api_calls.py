"""Requests to the served API, and other helpers of its tests."""

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


def new_key(customer: Any, **values: Any) -> str:
    """Create an API key of the customer and return its secret, which requests carry."""
    return make_key(customer=customer, name="My panel", **values).secret


def read_answer(response: Any) -> Any:
    """Return the JSON of a response; check that it is HTTP 200 and uncached, as all answers are, errors too."""
    assert response.status_code == 200, response.content
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"
    return json.loads(response.content)


def call_api(key: str, action: str, **params: Any) -> Any:
    """Send a request as a form, as most programs do, and return the answer."""
    return read_answer(Client().post(ADDRESS, {"key": key, "action": action, **params}))


def add(key: str, sold: Service, **params: Any) -> Any:
    """Order 100 of the service and return the answer; `params` replace or add fields."""
    return call_api(key, "add", **{"service": sold.pk, "link": LINK, "quantity": 100, **params})


def params_for(service: Service) -> dict[str, str]:
    """Return valid values for the parameters that the service's type requires beyond service and link."""
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
    """Write the status that a provider or staff would have set, on an accepted order; return the order reloaded."""
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
