"""API v2 as the sandbox implements it: requests, answers and charges over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import requests

from panel.sandbox.catalog import build_services
from panel.sandbox.server import SandboxServer

Call = Callable[..., Any]
AddOrder = Callable[..., int]
LINK = "https://example.com/sandbox-completed"


def service_of(kind: str) -> int:
    """Return the id of the first service of this type."""
    return next(s.id for s in build_services(60).values() if s.type == kind)


# -- services and balance ---------------------------------------------------------------------------


def test_services_when_listed_then_sixty_readable_rows_of_many_types(call: Call) -> None:
    rows = call("services")
    assert len(rows) == 60
    assert len({row["service"] for row in rows}) == len({row["name"] for row in rows}) == 60
    types = [row["type"] for row in rows]
    assert len(set(types)) == 17
    assert types.count("Default") > 30
    for row in rows:
        assert isinstance(row["service"], int)
        assert Decimal(row["rate"]) > 0 and "e" not in row["rate"].lower()
        assert 0 < int(row["min"]) <= int(row["max"])
        assert row["name"].isascii() and row["desc"]
        assert " · " in row["category"]


def test_services_when_many_requested_then_unique_and_exact_charge() -> None:
    services = build_services(10_000).values()
    assert len(services) == len({service.name for service in services}) == 10_000
    assert all(service.rate % 1_000 == 0 for service in services)
    assert len(build_services(3)) == 3
    with SandboxServer(key="k", services=10_000) as server:
        data = {"key": "k", "action": "services"}
        assert len(requests.post(server.url, data=data, timeout=60).json()) == 10_000


def test_services_when_one_changes_then_list_and_new_orders_follow(server: SandboxServer, call: Call) -> None:
    server.set_service(2, rate="2.5", min=5, listed=True)
    server.set_service(3, listed=False)
    server.set_service(9001, name="Brand new", rate=Decimal("0.5"), category="New things")
    server.set_service(4, row={"rate": "NaN"})
    rows = {row["service"]: row for row in call("services")}
    assert rows[2]["rate"] == "2.5" and rows[2]["min"] == "5"
    assert 3 not in rows
    assert rows[9001]["name"] == "Brand new" and rows[9001]["rate"] == "0.5"
    assert rows[4]["rate"] == "NaN"
    assert call("add", service=3, link=LINK, quantity=100) == {"error": "Incorrect service ID"}
    call("add", service=2, link=LINK, quantity=1000)
    assert server.orders()[0].charge == Decimal("2.5")
    for wrong in ({"rate": "NaN"}, {"min": "5"}, {"colour": "red"}):
        with pytest.raises(ValueError):
            server.set_service(2, **wrong)


def test_balance_when_read_then_a_string_and_its_currency(server: SandboxServer, call: Call) -> None:
    assert call("balance") == {"balance": "1000", "currency": "USD"}
    server.set_balance("100.84292")
    assert call("balance") == {"balance": "100.84292", "currency": "USD"}


# -- requests ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", "wrong", "k-test ", "ключ"])
def test_key_when_wrong_then_refused(server: SandboxServer, key: str) -> None:
    answer = requests.post(server.url, data={"key": key, "action": "balance"}, timeout=60)
    assert (answer.status_code, answer.json()) == (200, {"error": "Invalid API key"})


@pytest.mark.parametrize("action", ["", "Balance", "orders", "delete"])
def test_action_when_unknown_then_incorrect_request(call: Call, action: str) -> None:
    assert call(action) == {"error": "Incorrect request"}


def test_request_when_slash_json_or_multipart_then_answered_alike(server: SandboxServer) -> None:
    data = {"key": "k-test", "action": "balance"}
    files = {name: (None, value) for name, value in data.items()}
    expected = {"balance": "1000", "currency": "USD"}
    with requests.Session() as session:
        for url in (server.url, server.url + "/"):
            assert session.post(url, data=data, timeout=60).json() == expected
            assert session.post(url, json=data, timeout=60).json() == expected
            assert session.post(url, files=files, timeout=60).json() == expected
        assert session.get(server.url, timeout=60).json() == {"error": "Incorrect request"}
        assert session.post(server.base_url + "/else", timeout=60).status_code == 404
        assert session.post(server.base_url + "/api/v2", json=[1], timeout=60).json() == {"error": "Invalid API key"}


def test_add_when_json_holds_lone_surrogates_then_still_answered(server: SandboxServer) -> None:
    body = '{"key":"k-test","action":"add","service":2,"quantity":100,"link":"https://e.example/\\ud800"}'
    headers = {"Content-Type": "application/json"}
    answer = requests.post(server.url, data=body, headers=headers, timeout=60).json()
    assert answer == {"order": 23501}


# -- add --------------------------------------------------------------------------------------------


def test_add_when_accepted_then_charged_recorded_and_pending(server: SandboxServer, call: Call) -> None:
    answer = call("add", service=2, link=LINK, quantity=333)
    assert answer == {"order": 23501}
    assert call("balance")["balance"] == "999.6004"
    assert call("status", order=23501) == {
        "charge": "0.3996",
        "start_count": "0",
        "status": "Pending",
        "remains": "333",
        "currency": "USD",
    }
    (order,) = server.orders()
    assert (order.id, order.service, order.link, order.quantity) == (23501, 2, LINK, 333)
    assert order.params == {"action": "add", "service": "2", "link": LINK, "quantity": "333"}
    (recorded,) = server.requests_of("add")
    assert recorded.params == order.params
    assert recorded.processed and recorded.status == 200 and recorded.fault is None


def test_add_when_repeated_then_ids_rise_with_gaps(call: Call, add_order: AddOrder, server: SandboxServer) -> None:
    ids = [add_order() for _ in range(12)]
    steps = {after - before for before, after in zip(ids, ids[1:], strict=False)}
    assert ids[0] == 23501 and steps <= {1, 2, 3} and len(steps) > 1
    other_id = next(n for n in range(ids[0], ids[-1]) if n not in ids)
    assert call("status", order=other_id) == {"error": "Incorrect order ID"}
    server.skip_order_ids(1000)
    assert add_order() > ids[-1] + 1000


ADDS: list[tuple[str, dict[str, str], int]] = [
    ("Package", {}, 1),
    ("Custom Comments", {"comments": "one\n\n two \r\nthree\nfour\nfive\n"}, 5),
    ("Custom Comments Package", {"comments": "one\ntwo"}, 1),
    ("Mentions", {"quantity": "100", "usernames": "a\nb"}, 100),
    ("Mentions with Hashtags", {"quantity": "100", "usernames": "a", "hashtags": "b"}, 100),
    ("Mentions Hashtag", {"quantity": "100", "hashtag": "b"}, 100),
    ("Mentions Custom List", {"usernames": "\n".join("abcdefghij")}, 10),
    ("Mentions User Followers", {"quantity": "100", "username": "a"}, 100),
    ("Mentions Media Likers", {"quantity": "100", "media": "https://e.example/p"}, 100),
    ("Comment Likes", {"quantity": "10", "username": "a"}, 10),
    ("Comment Replies", {"username": "a", "comments": "1\n2\n3\n4\n5"}, 5),
    ("Poll", {"quantity": "50", "answer_number": "2"}, 50),
    ("Invites from Groups", {"quantity": "100", "groups": "g"}, 100),
    ("SEO", {"quantity": "100", "keywords": "k"}, 100),
    (
        "Web Traffic",
        {
            "quantity": "500",
            "country": "DE",
            "device": "1",
            "type_of_traffic": "1",
            "google_keyword": "k",
        },
        500,
    ),
]


@pytest.mark.parametrize(("kind", "params", "quantity"), ADDS)
def test_add_when_a_field_of_its_type_is_missing_then_refused(
    server: SandboxServer, call: Call, kind: str, params: dict[str, str], quantity: int
) -> None:
    service = service_of(kind)
    rate = Decimal({row["service"]: row["rate"] for row in call("services")}[service])
    fields = {"service": str(service), "link": LINK, **params}
    for name in fields:
        answer = call("add", **{**fields, name: ""})
        assert set(answer) == {"error"}, name
        assert "ncorrect" in answer["error"] or answer["error"] == "Bad link"
    assert server.orders() == []
    assert server.balance == 1000

    assert call("add", **fields) == {"order": 23501}
    (order,) = server.orders()
    assert order.quantity == quantity
    assert order.charge == (rate if "Package" in kind else rate * quantity / 1000)
    assert server.balance == 1000 - order.charge


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"service": "777"}, "Incorrect service ID"),
        ({"service": "two"}, "Incorrect service ID"),
        ({"link": "has space"}, "Bad link"),
        ({"link": "x" * 2001}, "Bad link"),
        ({"quantity": "49"}, "Quantity less than minimal 50"),
        ({"quantity": "0"}, "Quantity less than minimal 50"),
        ({"quantity": "50001"}, "Quantity more than maximum 50000"),
        ({"quantity": "-100"}, "Incorrect quantity"),
        ({"quantity": "100.5"}, "Incorrect quantity"),
        ({"quantity": "1e3"}, "Incorrect quantity"),
        ({"quantity": "²³"}, "Incorrect quantity"),
        ({"quantity": "9" * 5000}, "Incorrect quantity"),
        ({"runs": "0", "interval": "5"}, "Incorrect runs"),
        ({"runs": "3"}, "Incorrect interval"),
        ({"interval": "3"}, "Incorrect runs"),
        ({"service": "1", "runs": "3", "interval": "5"}, "Incorrect runs"),
    ],
)
def test_add_when_a_field_is_wrong_then_refused_and_nothing_charged(
    server: SandboxServer, call: Call, params: dict[str, str], error: str
) -> None:
    answer = call("add", **{"service": "2", "link": LINK, "quantity": "100", **params})
    assert answer == {"error": error}
    assert server.orders() == []
    assert server.balance == 1000


def test_add_when_drip_feed_then_all_runs_are_charged(server: SandboxServer, call: Call) -> None:
    call("add", service=2, link=LINK, quantity=100, runs=5, interval=10)
    (order,) = server.orders()
    assert (order.quantity, order.charge) == (500, Decimal("0.6"))


def test_add_when_subscription_then_the_most_it_can_cost_is_charged(server: SandboxServer, call: Call) -> None:
    service = service_of("Subscriptions")
    fields = {"service": service, "username": "someone", "min": 20, "max": 100, "delay": 0}
    assert call("add", **{**fields, "min": 5}) == {"error": "Quantity less than minimal 20"}
    assert call("add", **{**fields, "delay": ""}) == {"error": "Incorrect delay"}
    assert call("add", **fields, posts=3) == {"order": 23501}
    assert server.orders()[0].charge == Decimal("0.45") * 300 / 1000


def test_add_when_funds_are_short_then_rejected_until_a_refund(
    server: SandboxServer, call: Call, add_order: AddOrder
) -> None:
    server.set_balance("1.2")
    add_order("sandbox-canceled")
    assert call("balance")["balance"] == "0"
    refused = call("add", service=2, link=LINK, quantity=50)
    assert refused == {"error": "Not enough funds on balance"}
    assert len(server.orders()) == 1
    server.advance(60)
    assert call("add", service=2, link=LINK, quantity=1000)["order"] > 23501


def test_add_when_request_ids_are_on_then_a_repetition_creates_one() -> None:
    with SandboxServer(key="k", request_ids=True) as server:

        def add(quantity: int) -> Any:
            fields = {"service": 2, "link": LINK, "quantity": quantity, "request_id": "r1"}
            data = {"key": "k", "action": "add", **fields}
            return requests.post(server.url, data=data, timeout=60).json()

        assert add(100) == add(100) == {"order": 23501}
        assert "request_id was used" in add(101)["error"]
        assert len(server.orders()) == 1


def test_add_when_request_ids_are_off_then_a_repetition_creates_two(add_order: AddOrder) -> None:
    assert add_order(request_id="r1") != add_order(request_id="r1")


# -- status -----------------------------------------------------------------------------------------


def test_status_when_time_passes_then_the_order_reaches_its_end(
    server: SandboxServer, call: Call, add_order: AddOrder
) -> None:
    order = add_order("sandbox-partial")
    answers = []
    for _ in range(12):
        answers.append(call("status", order=order))
        server.advance(4)
    statuses = [row["status"] for row in answers]
    assert statuses[0] == "Pending" and "In progress" in statuses and statuses[-1] == "Partial"
    running = [row for row in answers if row["status"] == "In progress"]
    assert all(row["charge"] == "1.2" and int(row["start_count"]) > 0 for row in running)
    end = answers[-1]
    delivered = 1000 - int(end["remains"])
    assert Decimal(end["charge"]) == Decimal("0.0012") * delivered


@pytest.mark.parametrize(
    ("word", "status", "charge"),
    [
        ("sandbox-completed", "Completed", "1.2"),
        ("sandbox-overdelivered", "Completed", "1.2"),
        ("sandbox-canceled", "Canceled", "0"),
        ("sandbox-stuck", "In progress", "1.2"),
    ],
)
def test_status_when_the_link_names_an_end_then_amounts_agree(
    server: SandboxServer, call: Call, add_order: AddOrder, word: str, status: str, charge: str
) -> None:
    order = add_order(word)
    server.advance(100)
    row = call("status", order=order)
    assert (row["status"], row["charge"]) == (status, charge)
    assert (int(row["remains"]) < 0) == (word == "sandbox-overdelivered")
    for _ in range(3):
        assert Decimal(call("balance")["balance"]) == 1000 - Decimal(charge)


def test_status_when_many_then_a_dict_with_errors_by_id(call: Call, add_order: AddOrder) -> None:
    first, second = add_order(), add_order()
    answer = call("status", orders=f"{first}, {second},1,x,{first}")
    assert set(answer) == {str(first), str(second), "1", "x"}
    assert answer[str(second)]["status"] == "Pending"
    assert answer["1"] == answer["x"] == {"error": "Incorrect order ID"}


def test_status_when_more_than_a_hundred_then_refused(call: Call) -> None:
    assert len(call("status", orders=",".join(map(str, range(100))))) == 100
    answer = call("status", orders=",".join(map(str, range(101))))
    assert answer == {"error": "Incorrect request"}


@pytest.mark.parametrize("order", ["", "x", "-1", "0", "99", "9" * 30, "²"])
def test_status_when_the_id_is_wrong_then_an_error(call: Call, order: str) -> None:
    assert call("status", order=order) == {"error": "Incorrect order ID"}


# -- cancel -----------------------------------------------------------------------------------------


def test_cancel_when_none_delivered_then_canceled_and_all_refunded(
    server: SandboxServer, call: Call, add_order: AddOrder
) -> None:
    order = add_order()
    answer = call("cancel", order=order)
    assert answer == {"success": "Your order will be cancel asap. Thank you for patience."}
    row = call("status", order=order)
    assert (row["status"], row["charge"], row["remains"]) == ("Canceled", "0", "1000")
    server.advance(100)
    assert call("status", order=order) == row
    assert server.balance == 1000


def test_cancel_when_half_delivered_then_partial_and_half_refunded(
    server: SandboxServer, call: Call, add_order: AddOrder
) -> None:
    order = add_order("sandbox-stuck")
    server.advance(100)
    assert "success" in call("cancel", order=order)
    row = call("status", order=order)
    assert (row["status"], row["charge"], row["remains"]) == ("Partial", "0.6", "500")
    assert server.balance == Decimal("999.4")
    assert "Cannot cancel" in call("cancel", order=order)["error"]


def test_cancel_when_many_then_a_list_with_errors_in_place(
    server: SandboxServer, call: Call, add_order: AddOrder
) -> None:
    running, done = add_order("sandbox-stuck"), add_order()
    fixed = call("add", service=5, link=LINK, quantity=100)["order"]
    server.set_order(done, status="Completed")
    assert call("cancel", orders=f"9,{running},{done},{fixed}") == [
        {"order": 9, "cancel": {"error": "Incorrect order ID"}},
        {"order": running, "cancel": 1},
        {"order": done, "cancel": {"error": "Order already completed"}},
        {"order": fixed, "cancel": {"error": "Cannot cancel: the service does not allow it"}},
    ]


# -- refill -----------------------------------------------------------------------------------------


def test_refill_when_completed_then_tracked_to_its_end(server: SandboxServer, call: Call, add_order: AddOrder) -> None:
    order = add_order()
    assert call("refill", order=order) == {"error": "Order not completed"}
    server.advance(60)
    assert call("refill", order=order) == {"refill": "1"}
    answers = []
    for _ in range(3):
        answers.append(call("refill_status", refill=1)["status"])
        server.advance(8)
    assert answers == ["Pending", "In progress", "Completed"]
    assert "less than 24 hours ago" in call("refill", order=order)["error"]
    server.advance(24 * 3600)
    assert call("refill", order=order) == {"refill": "2"}
    server.set_refill(2, status="Rejected")
    assert call("refill_status", refill=2) == {"status": "Rejected"}
    assert call("refill_status", refill=3) == {"error": "Incorrect refill ID"}


def test_refill_when_many_then_lists_with_errors_in_place(
    server: SandboxServer, call: Call, add_order: AddOrder
) -> None:
    first = add_order()
    plain = call("add", service=1, link=LINK, quantity=100)["order"]
    server.advance(60)
    assert call("refill", orders=f"{first},3,{plain}") == [
        {"order": first, "refill": 1},
        {"order": 3, "refill": {"error": "Incorrect order ID"}},
        {"order": plain, "refill": {"error": "Refill is disabled for this service"}},
    ]
    assert call("refill_status", refills="1,3") == [
        {"refill": 1, "status": "Pending"},
        {"refill": 3, "status": {"error": "Incorrect refill ID"}},
    ]
