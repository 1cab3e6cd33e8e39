"""What the served API accepts from programs that deviate from the protocol, and how it answers rubbish."""

from __future__ import annotations

import http.client
import json
import socket
import urllib.request
from urllib.parse import urlencode, urlsplit

import pytest
import requests
from django.conf import settings
from django.core.cache import caches
from django.db import connection
from django.http import HttpRequest, UnreadablePostError
from django.test import Client

from catalog.models import Service
from catalog.service_types import SPECS
from orders.models import Order
from panel.api import endpoint
from panel.api import params as api_params
from panel.api.params import exact_whole, read_ids
from tests import make
from tests.api_calls import ADDRESS, LINK, add, call_api, new_key, read_answer
from tests.scenes import nothing_changes

# Tests how requests are read; what they do is tested on both databases.
pytestmark = [pytest.mark.django_db, pytest.mark.once, pytest.mark.usefixtures("invariants_hold")]

BALANCE = {"balance": "10", "currency": "USD"}
BAD_KEY = {"error": "Invalid API key"}
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def service(db):
    return make.service(make.provider())


@pytest.fixture
def key(customer):
    return new_key(customer)


def send(body, *, content_type, address=ADDRESS, method="POST"):
    """Send a body unchanged, with any content type."""
    return read_answer(Client().generic(method, address, body, content_type=content_type))


def as_json(**data):
    return json.dumps(data).encode()


def ids_of(key, **params):
    """Return the ids that have an answer."""
    answer = call_api(key, "status", **params)
    assert "charge" not in answer
    return list(answer)


# -- over the wire -----------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["/api/v2", "/api/v2/"])
def test_requests_when_with_or_without_a_slash_then_no_redirect(live_server, customer, key, path):
    url = live_server.url + path
    data = {"key": key, "action": "balance"}
    answers = [
        requests.get(url, params=data, timeout=120, allow_redirects=False),
        requests.post(url, data=data, timeout=120, allow_redirects=False),
        requests.post(url, json=data, timeout=120, allow_redirects=False),
        requests.post(url, files={name: (None, value) for name, value in data.items()}, timeout=120),
        requests.post(url, params={"key": key}, data={"action": "balance"}, timeout=120, allow_redirects=False),
        requests.post(url, data=json.dumps(data), timeout=120, allow_redirects=False),
    ]
    for answer in answers:
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
        assert answer.json() == BALANCE
        assert "Set-Cookie" not in answer.headers


@pytest.mark.django_db(transaction=True)
def test_requests_when_sent_by_a_bare_library_then_served(live_server, customer, key):
    """No Accept, no browser's user agent, even HTTP/1.0."""
    body = urlencode({"key": key, "action": "balance"}).encode()
    with urllib.request.urlopen(f"{live_server.url}/api/v2", body, timeout=120) as response:
        assert json.load(response) == BALANCE
    bare = http.client.HTTPConnection(urlsplit(live_server.url).netloc, timeout=120)
    bare._http_vsn, bare._http_vsn_str = 10, "HTTP/1.0"
    bare.request("POST", "/api/v2", body)
    assert json.loads(bare.getresponse().read()) == BALANCE


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("method", ["HEAD", "PUT", "OPTIONS", "DELETE", "PATCH", "PROPFIND"])
def test_requests_when_the_method_is_another_then_nothing_crashes(live_server, customer, key, method):
    answer = requests.request(
        method, f"{live_server.url}/api/v2/", params={"key": key, "action": "balance"}, timeout=120
    )
    assert answer.status_code == 200
    assert answer.text == "" if method == "HEAD" else answer.json() == BALANCE


@pytest.mark.django_db(transaction=True)
def test_requests_when_they_have_a_session_then_it_is_ignored(live_server, signed_in):
    cookie = {settings.SESSION_COOKIE_NAME: signed_in.cookies[settings.SESSION_COOKIE_NAME].value}
    assert (
        requests.post(f"{live_server.url}/api/v2", {"action": "balance"}, cookies=cookie, timeout=120).json() == BAD_KEY
    )


# -- bodies ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "application/json; charset=iso-8859-1",
        "application/vnd.api+json",
        "text/json",
        "text/plain",
        FORM,
        f"{FORM}; charset=windows-1251",
        "",
        "rubbish",
    ],
)
@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b" \r\n"])
def test_json_when_its_type_is_wrong_or_missing_then_read(key, service, content_type, before):
    assert send(before + as_json(key=key, action="balance"), content_type=content_type) == BALANCE
    wanted = {"service": service.pk, "link": "https://example.com/ü", "quantity": 100}
    body = before + json.dumps({"key": key, "action": "add", **wanted}, ensure_ascii=False).encode()
    send(body, content_type=content_type)
    assert Order.objects.get().link == "https://example.com/ü"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_json_when_in_another_unicode_encoding_then_read(key, encoding):
    body = json.dumps({"key": key, "action": "balance"}).encode(encoding)
    assert send(body, content_type="application/json") == BALANCE


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "windows-1251", "utf-7", "hex", "no-such"])
def test_forms_when_another_charset_is_declared_then_read_as_utf8(key, service, charset):
    """For some names Python has a codec that is not for text."""
    form = {"key": key, "action": "add", "service": service.pk, "quantity": 100, "link": "https://example.com/ü"}
    assert "order" in send(urlencode(form), content_type=f"{FORM}; charset={charset}")
    address = ADDRESS if charset == "hex" else f"{ADDRESS}?{urlencode(form)}"
    body = urlencode(form) if charset == "hex" else b"a=1"
    assert "order" in send(body, content_type=f"{FORM}; charset={charset}", address=address)
    parts = "".join(f'--xx\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{form[name]}\r\n' for name in form)
    assert "order" in send(f"{parts}--xx--\r\n", content_type=f"multipart/form-data; boundary=xx; charset={charset}")
    assert list(Order.objects.values_list("link", flat=True)) == ["https://example.com/ü"] * 3


def test_json_when_values_are_not_text_then_read_as_in_a_form(key, service):
    wanted = {"service": service.pk, "link": LINK, "quantity": 100.0, "runs": None, "interval": 0, "note": True}
    response = send(as_json(key=key, action="add", **wanted), content_type="application/json")
    [order] = Order.objects.all()
    assert (response, order.quantity) == ({"order": order.pk}, 100)
    for orders in ([order.pk, 999], [str(order.pk), "999"], f"{order.pk},999", [order.pk, None, 999]):
        for name in ("orders", "order", "orders[]", "order[]"):
            body = as_json(key=key, action="status", **{name: orders})
            assert list(send(body, content_type="application/json")) == [str(order.pk), "999"]
    one = send(as_json(key=key, action="status", order=order.pk), content_type="application/json")
    assert one["status"] == "Pending"


def test_json_when_comments_are_a_list_then_each_is_a_line(key):
    comments = make.service(make.provider(), type="custom_comments", low=1)
    wanted = {"service": comments.pk, "link": LINK, "comments": ["Nice", "Great, really", "", None, "Wow"]}
    send(as_json(key=key, action="add", **wanted), content_type="application/json")
    assert Order.objects.get().params == {"comments": "Nice\nGreat, really\nWow"}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[1]",
        b'"x"',
        b'{"key": {"a": 1}}',
        b'{"key": [[1]]}',
        b'{"key": "\xff"}',
        b"{" * 100_000,
        b'{"a":' * 100_000,
        b'{"a": ' + b"[" * 400 + b"]" * 400 + b"}",
        b'{"a": ' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"a": ' + b'{"a":' * 900 + b"1" + b"}" * 901,
    ],
)
def test_json_when_broken_or_nested_then_an_error_and_no_crash(body):
    assert send(body, content_type="application/json")["error"].startswith("Incorrect request")


def test_json_when_a_number_is_a_megabyte_long_then_not_a_number(key, service):
    body = b'{"key": "%s", "action": "add", "link": "a.example", "service": %d, "quantity": 1%s}'
    response = send(body % (key.encode(), service.pk, b"0" * 10**6), content_type="application/json")
    assert response == {"error": "Incorrect quantity"}


def test_body_when_it_contradicts_the_query_then_the_body_counts(key, service):
    address = (
        f"{ADDRESS}?{urlencode({'key': 'x', 'action': 'add', 'service': service.pk, 'link': LINK, 'quantity': 1})}"
    )
    assert send(urlencode({"key": key, "action": "balance"}), content_type=FORM, address=address) == BALANCE
    assert "order" in send(urlencode({"key": key, "quantity": 100}), content_type=FORM, address=address)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"x" * 3_000_000, FORM),
        (b"&".join(b"a%d=1" % number for number in range(5_000)), FORM),
        (b"x", "multipart/form-data"),
        (b"--x", "multipart/form-data; boundary=x"),
        (b"--x\r\n\xff\xfe", "multipart/form-data; boundary=\xff"),
    ],
)
def test_bodies_when_too_large_or_broken_then_an_error(body, content_type):
    answer = send(body, content_type=content_type)
    assert answer == BAD_KEY or answer["error"].startswith("Incorrect request")


def test_query_when_it_has_thousands_of_fields_then_an_error(key):
    many = "&".join(f"a{number}=1" for number in range(5_000))
    assert send(b"", content_type=FORM, address=f"{ADDRESS}?{many}") == {"error": "Incorrect request"}


def test_requests_when_empty_then_an_invalid_key():
    assert read_answer(Client().get(ADDRESS)) == BAD_KEY
    assert read_answer(Client().post(ADDRESS)) == BAD_KEY


# -- ids ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["status", "cancel", "refill"])
@pytest.mark.parametrize(
    "form", ["order=%s", "order=%s,", "order= %s ,,", "orders=&order=%s", "orders=null&order=%s", "orders[]=&order=%s"]
)
def test_ids_when_there_is_one_then_the_answer_for_one(customer, service, key, action, form):
    order = make.order(customer, service)
    answer = send(form.replace("%s", str(order.pk)) + f"&key={key}&action={action}", content_type=FORM)
    assert set(answer) in ({"success"}, {"error"}, {"charge", "start_count", "status", "remains", "currency"})


@pytest.mark.parametrize(
    "form",
    [
        "order=133,416,489",
        "orders=133,416,489",
        "orders= 133 , 416 ,,489,",
        "orders[]=133&orders[]=416&orders[]=489",
        "order[]=133&order[]=416&order[]=489",
        "orders[0]=133&orders[1]=416&orders[2]=489",
        "order[0]=133&order[5]=416&order[17]=489",
        "orders%5B%5D=133&orders%5B%5D=416,489",
        "orders=133,416,133,489,416",
        "orders[]=133&orders[]=&orders[]=416&orders[]=undefined&orders[]=489",
        "order=7&orders=133,416,489",
        "orders=[133,416,489]",
        "orders=[133, 416, 489]",
        'orders=["133","416","489"]',
        "order=[133,416,489]",
        "orders=['133', 416.0, 489]",
        "orders=133.0,416.0,489",
        "orders=1.33e+02,4.16e%2B02,489.00",
    ],
)
def test_ids_when_there_are_several_then_each_is_answered_in_order(key, form):
    answer = send(f"{form}&key={key}&action=status", content_type=FORM)
    assert list(answer) == ["133", "416", "489"]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("386.0", 386), ("2.00", 2), ("1234.000", 1_234), ("1.000001e+06", 1_000_001), ("1.000001E6", 1_000_001)),
        *(("7", 7), ("9" * 18, 10**18 - 1), ("9007199254740991.0", 2**53 - 1), ("0.0", 0), ("1.2340e+03", 1_234)),
    ],
)
def test_id_when_written_as_a_decimal_then_the_number(text, number):
    assert exact_whole(text) == number
    assert read_ids({"orders": text}, one="order", many="orders").numbers == [number]


@pytest.mark.parametrize(
    "text",
    [
        *("2.5", "1.000", "386.000", "1e+06", "1.23457e+06", "1.5e+0", "9007199254740993.0", "1.2345678901234568e+17"),
        *("-1.0", ".5", "1e", "1.0.0", "1e-1", "1e+99", "1" * 19, "1,0", "0x1", "inf", "nan", " 1.0", "1.0\n", "１.0"),
    ],
)
def test_id_when_not_exact_then_no_number(text):
    assert exact_whole(text) is None


def test_order_when_ids_come_as_decimals_then_the_same_order(customer, service, key):
    made = add(key, service, service=f"{service.pk}.0")["order"]
    for name in (f"{made}.0", f"[{made}]", f"[{made}.0]"):
        answer = call_api(key, "status", orders=name)
        assert (list(answer), answer[str(made)]["status"]) == ([str(made)], "Pending")
    assert call_api(key, "status", order=f"{made}.0")["status"] == "Pending"
    assert call_api(key, "status", order=f"{made}.5") == {"error": "Incorrect order ID"}
    assert add(key, service, service=f"{service.pk}.5") == {"error": "Incorrect service ID"}


@pytest.mark.parametrize("form", ["comments[]=nice&comments[]=wow", "comments[0]=nice&comments[1]=wow"])
def test_lines_when_sent_as_a_list_then_one_each(key, form):
    comments = make.service(make.provider(), type="custom_comments", low=1)
    send(f"key={key}&action=add&service={comments.pk}&link={LINK}&{form}&comments[]=", content_type=FORM)
    order = Order.objects.get()
    assert (order.params, order.quantity) == ({"comments": "nice\nwow"}, 2)


def test_ids_when_written_with_zeros_then_found_and_named_as_sent(customer, service, key):
    order = make.order(customer, service)
    names = [str(order.pk), f"0{order.pk}", f"{order.pk:09}"]
    answer = call_api(key, "status", orders=",".join(names))
    assert list(answer) == names and {one["status"] for one in answer.values()} == {"Pending"}
    assert call_api(key, "cancel", orders=",".join(names)) == [{"order": order.pk, "cancel": 1}] * 3
    order.refresh_from_db()
    assert order.refunded == order.charge


@pytest.mark.parametrize(
    "orders", ["x", "-1", "1.5", "1e3", "１３３", "٣", "9" * 30, "1;DROP", "1\x002", "<b>", "ord_01HG"]
)
def test_ids_when_none_are_ours_then_each_is_incorrect(key, orders):
    for action in ("status", "cancel", "refill"):
        assert call_api(key, action, order=orders) == {"error": "Incorrect order ID"}
    assert call_api(key, "refill_status", refill=orders) == {"error": "Incorrect refill ID"}
    assert call_api(key, "status", orders=orders) == {orders: {"error": "Incorrect order ID"}}


@pytest.mark.parametrize("digits", ["０１２３４５６７８９", "٠١٢٣٤٥٦٧٨٩", "⁰¹²³⁴⁵⁶⁷⁸⁹"])
def test_ids_when_written_in_other_digits_then_not_found(customer, service, key, digits):
    order = make.order(customer, service)
    foreign = str(order.pk).translate(str.maketrans("0123456789", digits))
    with nothing_changes():
        for action in ("status", "cancel", "refill"):
            assert call_api(key, action, order=foreign) == {"error": "Incorrect order ID"}
        assert add(key, service, service=str(service.pk).translate(str.maketrans("0123456789", digits))) == {
            "error": "Incorrect service ID"
        }


@pytest.mark.parametrize("action", ["status", "cancel", "refill", "refill_status"])
def test_ids_when_more_than_a_hundred_then_error_for_all(customer, service, key, action):
    name = "refills" if action == "refill_status" else "orders"
    order = make.order(customer, service)
    many = [str(order.pk), *map(str, range(900_001, 900_101))]
    assert len(call_api(key, action, **{name: ",".join(many[1:])})) == 100
    assert len(call_api(key, action, **{name: ",".join(many[1:] * 2)})) == 100, "each once"
    with nothing_changes():
        assert call_api(key, action, **{name: ",".join(many)}) == {"error": "Incorrect request: 100 IDs at most"}


# -- values ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("absent", ["", " ", "undefined", "null", "NULL", "Undefined"])
def test_values_when_they_stand_for_nothing_then_absent(customer, service, key, absent):
    response = add(key, service, runs=absent, interval=absent, request_id=absent, comments=absent)
    assert Order.objects.get().pk == response["order"]
    assert add(key, service, runs=absent, request_id=absent)["order"] != response["order"], "no request id"
    assert call_api(key, "status", orders=absent, order=response["order"])["status"] == "Pending"
    assert add(key, service, link=absent) == {"error": "Incorrect link"}
    assert add(key, service, quantity=absent) == {"error": "Incorrect quantity"}


@pytest.mark.parametrize(
    "quantity",
    [
        "-100",
        "0",
        "-0",
        "10" * 15,
        "1" + "0" * 30,
        "１００",
        "100.5",
        "1e2",
        "0x64",
        "1,000",
        "NaN",
        "Infinity",
        "100\x00",
        "+100",
        "१००",
    ],
)
def test_quantity_when_not_a_valid_number_then_refused_and_unchanged(service, key, quantity):
    with nothing_changes():
        response = add(key, service, quantity=quantity)
    error = response["error"].partition(":")[0]
    assert error in ("Incorrect quantity", "Quantity less than minimal 10")


@pytest.mark.parametrize("quantity", ["1.000", "100.000", "12.500", "-1.000"])
def test_quantity_when_it_may_be_thousands_then_refused_as_unclear(service, key, quantity):
    with nothing_changes():
        error = add(key, service, quantity=quantity)["error"]
    assert error == f"Incorrect quantity: {quantity} is unclear, send a whole number such as 1000"


@pytest.mark.parametrize("name", ["quantity", "runs", "interval"])
def test_number_when_not_whole_then_refused_in_clear_words(service, key, name):
    with nothing_changes():
        error = add(key, service, **{"quantity": "100", "runs": "5", "interval": "5", name: "2.5"})["error"]
    assert error == f"Incorrect {name}: 2.5 is not a whole number"


@pytest.mark.parametrize("quantity", ["100", " 100 ", "0100", "100.0", "100.00", "100.0000", "1.00e+02", "1.00E2"])
def test_quantity_when_a_whole_number_then_accepted(service, key, quantity):
    add(key, service, quantity=quantity)
    assert Order.objects.get().quantity == 100


@pytest.mark.parametrize(
    "link",
    [
        "https://example.com/" + "a" * 5_000,
        "https://example.com/\x00",
        "https://example.com/\ud800",
        "javascript:alert(1)",
        "a b",
        "https://exa\u202emple.com/",
    ],
)
def test_link_when_invalid_then_refused_and_unchanged(service, key, link):
    body = as_json(key=key, action="add", service=service.pk, quantity=100, link=link)
    if "\ud800" in link:  # Read as its replacement character, which a link may contain.
        assert set(send(body, content_type="application/json")) == {"order"}
        assert Order.objects.get().link == "https://example.com/?"
        return
    with nothing_changes():
        assert send(body, content_type="application/json") == {"error": "Incorrect link"}


def test_money_when_very_small_or_large_then_plain_digits(customer, key):
    tiny = make.service(make.provider(), rate="0.000008", low=1)
    Service.objects.update(price=10)
    assert call_api(key, "services")[0]["rate"] == "0.00001"
    order = Order.objects.get(pk=add(key, tiny, quantity=100)["order"])
    assert order.charge == 1
    assert call_api(key, "status", order=order.pk)["charge"] == "0.000001"
    assert call_api(key, "balance")["balance"] == "9.999999"
    make.deposit(customer, "900000000")
    assert call_api(key, "balance")["balance"] == "900000009.999999"


def test_services_when_listed_then_ids_are_integers_and_money_text(key):
    provider = make.provider()
    for number, name in enumerate(SPECS):
        make.service(provider, external_id=str(number), type=name)
    rows = call_api(key, "services")
    assert {row["type"] for row in rows} == {spec.wire for spec in SPECS.values()}
    kinds = {"service": int, "name": str, "type": str, "category": str, "rate": str, "min": str, "max": str}
    kinds |= {"refill": bool, "cancel": bool, "dripfeed": bool, "desc": str}
    for row in rows:
        assert {name: type(value) for name, value in row.items()} == kinds


# -- nothing waits inside a transaction --------------------------------------------------------------


def test_transactions_when_body_or_cache_is_read_then_none_is_open(
    customer, service, transactional_db, monkeypatch, settings
):
    settings.API_DUPLICATE_WINDOW = 60
    limited = new_key(customer, daily_limit=make.micros("5"))
    calls = []

    def watch(owner, name):
        original = getattr(owner, name)

        def watched(*args, **kwargs):
            calls.append((name, connection.in_atomic_block))
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, watched)

    backend = type(caches["default"])
    for name in ("add", "incr", "get", "set"):
        watch(backend, name)
    watch(endpoint, "read_params")
    watch(api_params, "_body")
    for action, params in (
        ("balance", {}),
        ("services", {}),
        ("services", {}),
        ("add", {"service": service.pk, "link": LINK, "quantity": 100}),
        ("add", {"service": service.pk, "link": LINK, "quantity": 100, "request_id": "1"}),
        ("add", {"service": service.pk, "link": LINK, "quantity": 100, "runs": 2, "interval": 5, "request_id": "2"}),
        ("status", {"orders": "1,2,3"}),
        ("cancel", {"orders": "1,2,3"}),
        ("refill", {"orders": "1,2,3"}),
    ):
        call_api(limited, action, **params)
    assert Order.objects.count() == 3
    assert set(calls) == {(name, False) for name in ("add", "incr", "get", "set", "read_params", "_body")}


def test_body_when_too_large_then_the_error_says_so(key, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000
    assert call_api(key, "add", comments="x" * 2_000) == {"error": "Incorrect request: the body is too large"}


CUT = [
    ("service={pk}&link=https://example.com/a&quantity=100", "0"),
    ("service={pk}&link=https://example.com/a&quantity=100&request_id=order-1", "7"),
]


@pytest.mark.parametrize(("sent", "lost"), CUT)
def test_body_when_connection_cuts_it_off_then_nothing_is_ordered(live_server, service, key, sent, lost):
    """The web server passes on what came: "quantity=100" of 1000, or half a request_id."""
    body = f"key={key}&action=add&{sent.format(pk=service.pk)}"
    head = (
        f"POST {ADDRESS} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body + lost)}\r\n\r\n"
    )
    with socket.create_connection((live_server.thread.host, live_server.thread.port), timeout=120) as client:
        client.sendall((head + body).encode())
        client.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: client.recv(65_536), b""))
    assert b'{"error": "Incorrect request: the body is cut off"}' in answer
    assert not Order.objects.exists()


def test_body_when_it_comes_in_chunks_then_its_length_is_required(key):
    """Without a length nothing is read, and "Invalid API key" would make people create another one."""
    answer = Client().generic("POST", ADDRESS, b"", headers={"transfer-encoding": "chunked"})
    assert read_answer(answer) == {"error": "Incorrect request: Content-Length is missing"}


def test_json_when_it_has_thousands_of_fields_then_an_error(key):
    body = json.dumps({f"a{number}": 1 for number in range(5_000)})
    assert send(body, content_type="application/json") == {"error": "Incorrect request"}


def test_client_when_gone_before_its_body_then_no_error_is_logged(monkeypatch, caplog):
    def gone(self):
        raise UnreadablePostError("gone")

    monkeypatch.setattr(HttpRequest, "body", property(gone))
    assert Client().post(ADDRESS, {"action": "balance"}).status_code == 400
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_ids_when_endless_then_the_answer_is_not(key):
    assert len(str(call_api(key, "status", orders="9" * 100_000 + ",1"))) < 500
