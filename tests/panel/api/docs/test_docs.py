"""The documentation of the API matches the API: its examples are sent, and the answers compared."""

from __future__ import annotations

import html
import json
import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse

from catalog.models import CustomerPrice
from catalog.service_types import SPECS, Kind, Param, TypeSpec
from orders.models import Order, Refill
from orders.states import RefillState, Status
from panel.api import errors
from panel.api.cancel_refill import ASKED, CANCELED, RUNS_ASKED, RUNS_ENDED
from panel.api.docs.console import MAX_SHOWN
from panel.api.docs.examples import as_curl
from panel.api.docs.page import docs_for, rate_in_words
from panel.api.endpoint import READING, WRITING
from panel.api.keys.services import make_key, revoke_key
from tests import make
from tests.scenes import create_accepted, money_of, nothing_changes, set_and_poll

# Page texts are the same on any database; the data behind them is tested elsewhere, on both.
pytestmark = [pytest.mark.django_db, pytest.mark.once]

ADDRESS = "https://panel.example.com/api/v2"
HOSTILE = '</code><script>alert("x")</script>'


def ask(customer: Any, params: Any, **key: Any) -> Any:
    """Return the API's own answer to `params`."""
    made = make_key(customer=customer, name="Docs", **key)
    response = Client().post(reverse("api_v2"), {"key": made.secret, **params})
    assert response.status_code == 200
    revoke_key(key=made.key)
    return json.loads(response.content)


def shape(value: Any) -> Any:
    """Return what a program relies on in an answer: its names and types, with ids generalised."""
    if isinstance(value, dict):
        named = {"<id>" if name.isdigit() else name: shape(one) for name, one in value.items() if "error" not in name}
        ids = [shape(one) for name, one in value.items() if name.isdigit()]
        return named if not ids else sorted({repr(one) for one in ids})
    if isinstance(value, list):
        return sorted({repr(shape(one)) for one in value})
    return type(value).__name__


def action_of(docs: dict[str, Any], name: str) -> Any:
    return next(one for one in docs["actions"] if one.name == name)


def read(client: Client | None = None) -> str:
    """Return the page as sent, by default to a visitor."""
    return (client or Client()).get(reverse("api_docs")).content.decode()


def words_of(part: str) -> str:
    """Return the visible text of a part of the page."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", part)).split())


def rows_of(page: str, label: str) -> list[list[str]]:
    """Return the cells of the table with that label, row by row, without its head."""
    [table] = re.findall(rf'<table [^>]*aria-label="{label}">(.*?)</table>', page, re.DOTALL)
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)[1:]
    return [[words_of(cell) for cell in re.findall(r"<t[hd]\b[^>]*>(.*?)</t[hd]>", row, re.DOTALL)] for row in rows]


def params_for(page: str, key: str) -> list[list[str]]:
    """Return name, need and text of each parameter of a type; the first type is described with `add`."""
    return rows_of(page, "Parameters of " + ("add" if key == next(iter(SPECS)) else SPECS[key].wire))


def try_it(client: Client, action: str, ids: str = "", **more: Any) -> Any:
    response = client.post(reverse("api_try"), {"action": action, "ids": ids, **more.pop("data", {})}, **more)
    assert response.status_code == 200
    return response


def answer_in(response: Any) -> Any:
    return json.loads(response.context["tried"].answer)


# -- who sees what ---------------------------------------------------------------------------------


def test_docs_when_read_by_a_visitor_then_only_examples(customer, provider):
    make.order(customer, make.service(provider, name="Zebra stickers"))
    page = Client().get(reverse("api_docs"))
    text = page.content.decode()
    assert "The numbers on this page are examples" in text
    assert "Zebra stickers" not in text
    assert 'id="try-form"' not in text
    assert set(page.context["actions"][2].examples[1].value) == {"23501", "23502", "999999999"}


def test_docs_when_read_by_a_customer_then_their_own_data(signed_in, customer, other, service):
    CustomerPrice.objects.create(customer=customer, service=service, price=2_200_000)
    mine = make.accepted_order(customer, service, upstream_id="8")
    theirs = make.accepted_order(other, service, upstream_id="7")
    Order.objects.filter(pk=theirs.pk).update(status=Status.COMPLETED)
    refill = Refill.objects.create(order=mine, provider=mine.provider, state=RefillState.REJECTED)
    page = signed_in.get(reverse("api_docs"))
    docs = page.context
    [row] = action_of(docs, "services").examples[0].value
    assert (row["service"], row["rate"]) == (service.pk, "2.2")
    assert docs["types"][0].example.params["service"] == str(service.pk)
    assert docs["types"][0].example.charge == 22_000
    warning = f"Sent with your key, this orders your service {service.pk}, Followers, for $0.03."
    assert warning in words_of(page.content.decode())
    assert set(action_of(docs, "status").examples[1].value) == {str(mine.pk), "999999999"}
    assert action_of(docs, "refill_status").examples[0].value == {"status": "Rejected"}
    assert action_of(docs, "refill_status").examples[0].params["refill"] == str(refill.pk)
    named = " ".join(value for one in docs["actions"] for example in one.examples for value in example.params.values())
    assert str(theirs.pk) not in re.findall("[0-9]+", named)


def test_writing_request_when_shown_then_it_names_no_open_order(customer, service):
    running = make.accepted_order(customer, service)
    docs = docs_for(customer=customer, address=ADDRESS)
    for name in ("cancel", "refill"):
        named = ",".join(one for example in action_of(docs, name).examples for one in example.params.values())
        assert str(running.pk) not in re.findall("[0-9]+", named)
        with nothing_changes():
            for example in action_of(docs, name).examples:
                ask(customer, example.params)


def test_writing_request_when_shown_then_it_names_no_own_ended_order(orders_of_alice, signed_in):
    """The answer would differ from the one shown: the order was canceled or refilled, or is too old."""
    own = set(map(str, Order.objects.values_list("pk", flat=True)))
    page = signed_in.get(reverse("api_docs"))
    for name in ("cancel", "refill"):
        action = action_of(page.context, name)
        for example in action.examples:
            assert not own & set(re.findall("[0-9]+", " ".join(example.params.values())))
        part = page.content.decode().split(f'id="{name}-title"')[1].split("</section>")[0]
        assert "The numbers are examples." in part


def test_type_when_not_on_sale_then_it_has_no_service_to_order(signed_in, customer, service):
    page = signed_in.get(reverse("api_docs"))
    docs = page.context
    package = next(one for one in docs["types"] if one.key == "package")
    assert package.example.params["service"] == "SERVICE_ID"
    part = page.content.decode().split('id="add-package"')[1].split("</details>")[0]
    assert "No service of this type is on sale now" in part and "Sent with your key" not in part
    assert ask(customer, package.example.params) == {"error": errors.BAD_SERVICE}


def test_docs_when_there_is_more_data_then_the_same_queries(
    signed_in, customer, provider, service, django_assert_max_num_queries
):
    for number in range(5):
        make.service(provider, external_id=f"s{number}")
        make.accepted_order(customer, service, upstream_id=f"u{number}")
    with django_assert_max_num_queries(20):
        assert signed_in.get(reverse("api_docs")).status_code == 200


# -- actions and their examples --------------------------------------------------------------------


def test_actions_when_documented_then_all_and_no_other():
    page = Client().get(reverse("api_docs"))
    titles = re.findall(r'<h3 id="(.+)-title"><code>(.+?)</code>(| <span.+)</h3>\s+<p>(.+)</p>', page.content.decode())
    assert sorted(name for name, *_ in titles) == sorted(name for _, name, *_ in titles) == sorted([*READING, *WRITING])
    assert {name for name, _, tag, _ in titles if "not with a read-only key" not in tag} == set(READING)
    assert len({words for *_, words in titles}) == len(titles)
    for action in page.context["actions"]:
        for example in action.examples:
            assert example.params["action"] == action.name
            assert f"-d action={action.name}" in example.request


@pytest.fixture
def orders_of_alice(customer, service, upstream):
    """Give Alice two completed orders, a refill of a third, and two orders that can be canceled."""
    make.deposit(customer, "100")
    ended = create_accepted(customer, service, 3)
    for order in ended:
        set_and_poll(upstream, order, status="Completed", remains=0)
    ask(customer, {"action": "refill", "order": str(ended[2].pk)})
    create_accepted(customer, service, 2)
    return customer


@pytest.mark.parametrize("is_signed_in", [False, True])
def test_answers_when_shown_then_they_have_the_shape_of_real_ones(orders_of_alice, is_signed_in):
    docs = docs_for(customer=orders_of_alice if is_signed_in else None, address=ADDRESS)
    running = [str(pk) for pk in Order.objects.filter(status=Status.PENDING).values_list("pk", flat=True)]
    ended = [str(pk) for pk in Order.objects.filter(status=Status.COMPLETED, refills=None).values_list("pk", flat=True)]
    refill = str(Refill.objects.get().pk)
    ids = {
        "status": (running[0], running),
        "refill": (ended.pop(), ended),
        "refill_status": (refill, [refill]),
        "cancel": (running.pop(), running),
    }
    compared = 0
    for action in docs["actions"]:
        for example in action.examples:
            params = dict(example.params)
            for name in params.keys() & {"order", "refill"}:
                params[name] = ids[action.name][0]
            for name in params.keys() & {"orders", "refills"}:
                params[name] = ",".join([*ids[action.name][1], "999999999"])
            if action.name == "add":
                params["service"] = str(Order.objects.latest("pk").service_id)
            real = ask(orders_of_alice, params)
            assert "error" not in real
            assert shape(example.value) == shape(real), (action.name, example.params)
            if isinstance(real, dict) and "success" in real:
                assert example.value == real
            bad = [str(one) for one in (real.values() if isinstance(real, dict) else real) if "error" in str(one)]
            shown = example.value.values() if isinstance(example.value, dict) else example.value
            assert bad == [str(one) for one in shown if "error" in str(one)]
            compared += 1
    assert compared == 11


def test_answer_fields_when_documented_then_all_are_named(customer, service):
    make.order(customer, service)
    page = read()
    assert all(words for name in ("services", "status", "cancel") for _, words in rows_of(page, f"What {name} answers"))
    [row] = ask(customer, {"action": "services"})
    # A service without a step states none.
    assert [name for name, _ in rows_of(page, "What services answers") if name != "step"] == list(row)
    answer = ask(customer, {"action": "status", "order": str(Order.objects.get().pk)})
    assert [name for name, _ in rows_of(page, "What status answers")] == list(answer)
    success = [CANCELED, ASKED, RUNS_ENDED, RUNS_ASKED]
    assert [text for text, _ in rows_of(page, "What cancel answers")] == success
    sample = action_of(docs_for(customer=None, address=ADDRESS), "services").examples[0].value
    assert shape(sample) == shape([row])


@pytest.mark.parametrize("name", ["status", "refill", "refill_status", "cancel"])
def test_ids_when_documented_then_named_as_the_example_sends_them(name):
    rows = rows_of(read(), f"Parameters of {name}")
    sent = [example.params for example in action_of(docs_for(customer=None, address=ADDRESS), name).examples]
    assert [{"action", param} for param, *_ in rows] == [params.keys() for params in sent]
    assert [need for _, need, _ in rows] == [f"or {rows[1][0]}", f"or {rows[0][0]}"]
    assert "Up to 100 ids" in rows[1][2]


# -- add, by type ----------------------------------------------------------------------------------


def test_types_when_documented_then_with_exactly_their_parameters():
    page = read()
    assert [one.key for one in docs_for(customer=None, address=ADDRESS)["types"]] == list(SPECS)
    folded = dict(re.findall(r'class="type-name">(.+?)</span><span class="type-names">(.+?)</span>', page))
    for key, spec in SPECS.items():
        quantity = ["quantity"] if spec.takes_quantity else []
        names = ["link", *quantity, *(param.name for param in spec.params)]
        runs = ["runs", "interval"] if spec.drips else []
        names_shown = [name for name, *_ in params_for(page, key)]
        assert names_shown == ["service", *names, *runs, "request_id"]
        assert folded.get(spec.wire, ", ".join(names)) == ", ".join(names)
    assert len(folded) == len(SPECS) - 1


@pytest.mark.parametrize("kind", Kind)
def test_parameter_when_it_has_no_text_then_its_kind_is_explained(kind):
    def text_of(param: Param) -> str:
        page = render_to_string("api/_params.html", {"spec": TypeSpec("Zoo", "Zoo", (param,)), "of": "Zoo"})
        return {name: words for name, _, words in rows_of(page, "Parameters of Zoo")}["pets"]

    assert re.fullmatch(r"Pets(, |: ).+[.:]", text_of(Param("pets", "Pets", kind)))
    assert text_of(Param("pets", "Pets", kind, help="Which pets.")) == "Which pets."


@pytest.mark.parametrize("key", SPECS)
def test_type_example_when_ordered_then_it_costs_the_charge_shown(key, customer, provider):
    low = 3 if SPECS[key].lines else 10
    make.service(provider, type=key, low=low)
    docs = docs_for(customer=customer, address=ADDRESS)
    one = next(one for one in docs["types"] if one.key == key)
    assert one.example.service
    create_accepted = ask(customer, one.example.params)
    order = Order.objects.get(pk=create_accepted["order"])
    assert order.charge == one.example.charge
    assert order.quantity == (1 if SPECS[key].is_package else low)


@pytest.mark.parametrize("key", SPECS)
def test_parameter_when_left_out_then_only_a_required_one_is_missed(key, customer, provider):
    make.service(provider, type=key, low=3)
    one = next(one for one in docs_for(customer=customer, address=ADDRESS)["types"] if one.key == key)
    params = one.example.params
    rows = params_for(read(), key)
    for param, need, _ in rows:
        rest = {name: value for name, value in params.items() if name != param}
        if need == "required" or need.startswith("if ") and param in params:
            with nothing_changes():
                assert "Incorrect" in ask(customer, rest)["error"]
        else:
            assert param not in params
    words_by_name = {name: words for name, _, words in rows}
    for param in one.spec.params:
        for value, label in param.choices:
            assert f"{value} {label}" in words_by_name[param.name]


def test_drip_feed_when_ordered_as_shown_then_answered_as_shown(signed_in, customer, service):
    page = signed_in.get(reverse("api_docs"))
    add, status = page.context["drip"]
    order = Order.objects.get(pk=ask(customer, add.params)["order"])
    assert (order.drip_feed.runs, order.drip_feed.interval) == (5, 60)
    assert shape(ask(customer, {**status.params, "order": str(order.pk)})) == shape(status.value)
    assert status.value["charge"] == ask(customer, {"action": "status", "order": str(order.pk)})["charge"] == "0.125"
    part = words_of(page.content.decode().split('id="drip-title"')[1].split("</section>")[0])
    assert f"this orders 5 runs of your service {service.pk}, Followers, for $0.13 in all." in part
    assert "The order and how far it is are examples." in part
    assert money_of(customer)[0] == 10_000_000 - 125_000
    assert status.value["remains"] == "35"  # 5 of the second run, and 10 of each of three to come.


def test_order_when_sent_twice_as_shown_then_created_once(signed_in, customer, service):
    page = signed_in.get(reverse("api_docs"))
    retry = page.context["retry"]
    assert "--data-urlencode 'request_id=my-order-1001'" in retry.request
    assert "for $0.03, once, however often it is sent." in words_of(page.content.decode())
    secret = make_key(customer=customer, name="Docs").secret
    answers = [Client().post(reverse("api_v2"), {"key": secret, **retry.params}).json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert Order.objects.count() == 1
    assert money_of(customer)[0] == 10_000_000 - 25_000


def test_docs_when_no_service_is_on_sale_then_no_charge_warning(signed_in, service):
    assert read(signed_in).count("Sent with your key, this orders") == 3
    type(service).objects.update(is_on_sale=False)
    assert "Sent with your key, this orders" not in read(signed_in)


@pytest.mark.parametrize("key", SPECS)
def test_example_value_when_shown_then_it_looks_realistic(key):
    one = next(one for one in docs_for(customer=None, address=ADDRESS)["types"] if one.key == key)
    params = one.example.params
    for name in params.keys() & {"usernames", "username", "hashtag", "hashtags"}:
        assert all(re.fullmatch(r"[a-z0-9_]+", line) for line in params[name].splitlines())
    for line in params.get("groups", "").splitlines():
        assert line.startswith("https://")
    assert "First line" not in str(params) and params.get("google_keyword") != "alice"
    assert re.fullmatch("[a-z-]+", one.slug)


def test_types_when_listed_then_default_once_others_with_anchors():
    page = Client().get(reverse("api_docs")).content.decode()
    assert page.count('aria-label="Parameters of Default"') == 0
    assert 'id="add-default"' not in page
    assert 'id="add-custom-comments-package"' in page
    assert page.count('class="type"') == len(SPECS) - 1


@pytest.mark.parametrize("name", ["link", "media", "referring_url", "usernames", "comments", "keywords", "request_id"])
def test_free_text_when_shown_in_a_command_then_quoted_and_encoded(name):
    assert as_curl(address=ADDRESS, params={name: "abc"}).endswith(f"--data-urlencode '{name}=abc'")


def test_command_when_run_by_a_shell_then_the_whole_link_is_sent(tmp_path):
    """Text put in the place of the example keeps its "&", "#", "+" and quotes."""
    link = "https://example.com/watch?v=a+b&t=10s#it's"
    command = as_curl(address=ADDRESS, params={"action": "add", "service": "7", "link": link})
    stub = tmp_path / "curl"
    stub.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    stub.chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "UPMARK_KEY": "secret"}
    sent = subprocess.run(["/bin/sh", "-c", command], env=env, capture_output=True, text=True, check=True).stdout
    assert sent.splitlines() == [
        ADDRESS,
        *("-d", "key=secret"),
        *("-d", "action=add"),
        *("-d", "service=7"),
        *("--data-urlencode", f"link={link}"),
    ]


def test_first_request_when_shown_then_key_is_set_before_its_use():
    first = docs_for(customer=None, address=ADDRESS)["first_request"]
    assert first.splitlines()[0] == "export UPMARK_KEY=the-key-you-copied"
    assert first.endswith("-d action=balance")


# -- statuses, errors, limits ----------------------------------------------------------------------


@pytest.mark.parametrize("status", Status)
def test_status_money_when_answered_then_as_in_the_table(status, customer, service, upstream):
    [order] = create_accepted(customer, service, quantity=1000)
    example = docs_for(customer=None, address=ADDRESS)["example_statuses"][status]
    if status != Status.PENDING:
        order = set_and_poll(upstream, order, status=status.label, remains=int(example["remains"]), start_count=3572)
    real = ask(customer, {"action": "status", "order": str(order.pk)})
    assert {**real, "start_count": example["start_count"]} == example


def test_statuses_when_documented_then_all_with_their_money():
    rows = {label: cells for label, *cells in rows_of(read(), "Statuses")}
    example_statuses = docs_for(customer=None, address=ADDRESS)["example_statuses"]
    assert list(rows) == Status.labels
    assert len({means for means, *_ in rows.values()}) == len(Status)
    for status in Status:
        assert rows[status.label][1:] == [example_statuses[status]["charge"], example_statuses[status]["remains"]]


@pytest.fixture
def is_explained(db: None) -> Callable[[str], bool]:
    """Return a check whether the page explains an error, by its beginning or the parameter in "Incorrect …"."""
    page = read()
    rows = [row for title in ("Any action", "add", "refill", "cancel") for row in rows_of(page, f"Errors: {title}")]
    assert all(text and means and do for text, means, do in rows)
    texts = [text for text, *_ in rows]
    [named] = [means for text, means, _ in rows if text == "Incorrect …"]
    fields = named.removeprefix("This parameter is missing or wrong: ").removesuffix(".").split(", ")

    def _is_explained(error: str) -> bool:
        return error.startswith(tuple(texts)) or error.removeprefix("Incorrect ") in fields

    return _is_explained


def test_error_texts_when_documented_then_all_are_explained(is_explained):
    constants = [value for name, value in vars(errors).items() if name.isupper() and isinstance(value, str)]
    assert len(constants) >= 10
    for text in [*constants, *errors.REFILL_REFUSED.values()]:
        assert is_explained(text), text
    assert is_explained("Too many requests: try again in 30 seconds")
    assert not is_explained("Something else")


def test_errors_when_provoked_then_they_are_explained(is_explained, customer, service, upstream, settings):
    settings.API_DUPLICATE_WINDOW = 60
    [order] = create_accepted(customer, service)
    good = {"action": "add", "service": service.pk, "link": "https://example.com/b", "quantity": 100}
    provoked = [
        ask(customer, {"key": "wrong", "action": "balance"}),
        ask(customer, {"action": "balance"}, networks=["192.0.2.1/32"]),
        ask(customer, good, is_read_only=True),
        ask(customer, {"action": "dance"}),
        ask(customer, {"action": "status", "order": "x"}),
        ask(customer, {"action": "status", "orders": ",".join(map(str, range(101)))}),
        ask(customer, {"action": "refill_status", "refill": "x"}),
        ask(customer, {"action": "refill", "order": order.pk}),
        ask(customer, {**good, "service": 10**9}),
        ask(customer, {**good, "quantity": 1}),
        ask(customer, {**good, "quantity": 10**6}),
        ask(customer, {**good, "quantity": "many"}),
        ask(customer, {**good, "link": "no link"}),
        ask(customer, {**good, "runs": 2, "interval": 0}),
        ask(customer, {**good, "quantity": 9_000}),
        ask(customer, good, daily_limit=1),
        ask(customer, {**good, "request_id": "x" * 65}),
    ]
    set_and_poll(upstream, order, status="Completed", remains=0)
    provoked.append(ask(customer, {"action": "cancel", "order": order.pk}))
    for answer in provoked:
        assert is_explained(answer["error"]), answer
    assert len({answer["error"] for answer in provoked}) >= 15


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        ("1200/m", "1,200 requests a minute"),
        ("1/s", "1 request a second"),
        ("5000/h", "5,000 requests an hour"),
        ("50/d", "50 requests a day"),
    ],
)
def test_rate_when_set_then_shown_in_words(rate, words):
    assert rate_in_words(rate) == words


def test_limits_when_set_then_the_page_shows_them(settings):
    plain = Client().get(reverse("api_docs")).content.decode()
    assert "1,200 requests a minute" in plain and "2.5" in plain
    assert "every <code>add</code> is a new order" in plain
    assert "do not revoke or change keys while answers are open" in plain
    assert RUNS_ASKED in plain and RUNS_ENDED in plain and "answers with the id of the first refill" in plain
    settings.API_RATE_PER_KEY, settings.API_RATE_LIMIT_429 = "7/s", True
    settings.API_DUPLICATE_WINDOW, settings.SITE_URL = 90, "https://resell.example.org"
    changed = Client().get(reverse("api_docs")).content.decode()
    assert "7 requests a second" in changed and "HTTP status 429" in changed
    assert "within 90 seconds is refused" in changed
    assert "link, quantity and parameters from the same key" in changed and "unless the first was canceled" in changed
    assert "https://resell.example.org/api/v2" in changed


# -- the console -----------------------------------------------------------------------------------


def test_console_when_reading_then_it_answers_as_the_api(signed_in, customer, service):
    orders = [make.order(customer, service) for _ in range(2)]
    refill = Refill.objects.create(order=orders[0], provider=orders[0].provider)
    requests = [
        ("services", "", {}),
        ("balance", "", {}),
        ("status", f"{orders[0].pk}", {"order": orders[0].pk}),
        ("status", f"{orders[0].pk}, {orders[1].pk},9", {"orders": f"{orders[0].pk},{orders[1].pk},9"}),
        ("refill_status", f"{refill.pk}", {"refill": refill.pk}),
        ("refill_status", f"{refill.pk},9", {"refills": f"{refill.pk},9"}),
        ("status", "", {"order": ""}),
        ("status", "x", {"order": "x"}),
        ("status", ",".join(map(str, range(101))), {"orders": ",".join(map(str, range(101)))}),
    ]
    for action, ids, params in requests:
        assert answer_in(try_it(signed_in, action, ids)) == ask(customer, {"action": action, **params})


@pytest.mark.parametrize("action", ["add", "refill", "cancel", " CANCEL ", "dance", ""])
def test_console_when_anything_is_posted_then_nothing_changes(action, signed_in, customer, service):
    order = make.order(customer, service)
    smuggled = {"order": order.pk, "orders": order.pk, "service": service.pk, "link": "https://example.com/b"}
    with nothing_changes():
        response = try_it(signed_in, action, str(order.pk), data={**smuggled, "quantity": 100})
    assert answer_in(response)["error"] in (errors.READ_ONLY, errors.BAD_REQUEST)
    assert response.context["tried"].is_error


def test_console_when_order_is_anothers_then_nothing_is_revealed(signed_in, other, service):
    order = make.order(other, service)
    assert answer_in(try_it(signed_in, "status", str(order.pk))) == {"error": errors.BAD_ORDER}


def test_console_when_request_is_shown_then_as_a_program_sends_it(signed_in, settings):
    settings.SITE_URL = "https://panel.example.com"
    tried = try_it(signed_in, "status", "1,2").context["tried"]
    assert tried.request == (f'curl {ADDRESS} \\\n  -d key="$UPMARK_KEY" \\\n  -d action=status \\\n  -d orders=1,2')
    hostile = try_it(signed_in, "status", "'; rm -rf / #").context["tried"]
    assert """--data-urlencode 'order='"'"'; rm -rf / #'""" in hostile.request


def test_console_when_the_list_is_long_then_cut_with_a_note(signed_in, provider):
    for number in range(MAX_SHOWN + 3):
        make.service(provider, external_id=str(number))
    response = try_it(signed_in, "services")
    assert len(answer_in(response)) == MAX_SHOWN
    text = response.content.decode()
    note = f'<p class="small quiet">The first {MAX_SHOWN} of {MAX_SHOWN + 3} services.'
    assert text.index(note) < text.index('aria-label="The answer"')


def test_console_when_used_too_often_then_limited_per_customer(signed_in, customer, other, settings):
    settings.API_RATE_PER_KEY = "2/d"
    answers = [answer_in(try_it(signed_in, "balance")) for _ in range(3)]
    assert [list(one)[0] for one in answers] == ["balance", "balance", "error"]
    assert answers[2]["error"].startswith("Too many requests")
    settings.API_RATE_LIMIT_429 = True
    assert try_it(signed_in, "balance").context["tried"].status == 429
    bob = Client()
    bob.force_login(other)
    assert "balance" in answer_in(try_it(bob, "balance"))


def test_console_when_sent_by_htmx_then_only_the_answer(signed_in):
    part = try_it(signed_in, "balance", headers={"HX-Request": "true"}).content.decode()
    assert "&quot;balance&quot;" in part and "<html" not in part
    whole = try_it(signed_in, "balance").content.decode()
    assert "&quot;balance&quot;" in whole and "<html" in whole


def test_console_when_sent_by_visitor_then_returns_after_sign_in():
    response = Client().post(reverse("api_try"), {"action": "balance"})
    assert response.status_code == 302
    assert response.url == f"{reverse('account_login')}?next=/api/%23try"


def test_console_when_the_session_ended_then_the_form_says_so():
    response = Client().post(reverse("api_try"), {"action": "balance"}, headers={"HX-Request": "true"})
    text = response.content.decode()
    assert response.status_code == 200 and "You are signed out." in text and "<html" not in text
    assert f"{reverse('account_login')}?next={reverse('api_docs')}%23try" in text


def test_console_when_read_by_a_visitor_then_sign_in_link_is_shown():
    text = Client().get(reverse("api_docs")).content.decode()
    part = text.split('id="try"')[1].split("</section>")[0]
    assert f'href="{reverse("account_login")}?next=/api/%23try"' in part


def test_console_address_when_opened_then_it_leads_to_the_form(signed_in):
    with nothing_changes():
        response = signed_in.get(reverse("api_try"), {"action": "balance"})
    assert (response.status_code, response.url) == (302, "/api/#try")


def test_console_when_action_is_chosen_then_matching_ids_offered(signed_in, customer, service):
    order = make.order(customer, service)
    refill = Refill.objects.create(order=make.order(customer, service), provider=service.upstream.provider)
    text = signed_in.get(reverse("api_docs")).content.decode()
    own = re.findall(r'value="(\w+)" data-ids="[^"]+" data-own="([^"]*)"', text)
    assert own == [("status", f"{refill.order_id},{order.pk}"), ("refill_status", str(refill.pk))]


def test_provider_text_when_shown_then_escaped(signed_in, customer, provider):
    made = make.service(provider, name=HOSTILE)
    make.order(customer, made)
    for response in (signed_in.get(reverse("api_docs")), try_it(signed_in, "services")):
        text = response.content.decode()
        assert "<script>alert" not in text
        assert html.escape(json.dumps(HOSTILE)) in text
    tried = try_it(signed_in, "status", HOSTILE).content.decode()
    assert "<script>alert" not in tried


def test_docs_when_on_start_or_account_page_then_linked(signed_in):
    link = f'href="{reverse("api_docs")}"'
    assert link in Client().get(reverse("home")).content.decode().split("</header>")[0]
    assert link in signed_in.get(reverse("account")).content.decode()
    assert link in signed_in.get(reverse("api_keys")).content.decode()
