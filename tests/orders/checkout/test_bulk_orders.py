"""Bulk orders: reading the lines, the preview, and creating all orders in one request."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import reverse

from billing.models import Entry
from catalog.models import CustomerPrice, Service
from orders.checkout.bulk_orders import BulkQuote, CreatedBulk, PreviewChanged, create_bulk, quote_bulk
from orders.checkout.bulk_text import MAX_TEXT, LinesRefused, lines_of_file, read_lines
from orders.checkout.create import NotEnoughFunds
from orders.models import Order, OrderEvent
from panel.ops.invariants import find_breaches
from tests import make
from tests.scenes import at_once, kill_at_each_statement, money_of, nothing_changes, statements

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

LINK = "https://example.com/a"
PASSWORD = "correct horse battery"


def quoted(customer: Any, text: str) -> BulkQuote:
    return quote_bulk(customer=customer, text=text)


def order_all(customer: Any, text: str, *, key: str = "", seal: str | None = None) -> Any:
    seal = quoted(customer, text).seal if seal is None else seal
    return create_bulk(customer=customer, text=text, request_key=key or uuid4().hex, seal=seal)


def errors_of(customer: Any, *lines: str) -> list[str]:
    """Return the preview's error for each line, "" where it can be ordered."""
    return [one.error for one in quoted(customer, "\n".join(lines)).lines]


# -- reading -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "7 | https://example.com/a | 1000",
        "7|https://example.com/a|1000",
        "\t7\t|\thttps://example.com/a\t|\t1,000\t",
        "#7 | https://example.com/a | 1 000",
        "7\thttps://example.com/a\t1000",
    ],
)
def test_line_when_written_in_a_usual_way_then_it_is_read(text):
    [line] = read_lines(text)
    assert (line.service_id, line.link, line.quantity, line.error) == (7, LINK, 1000, "")


def test_lines_when_some_are_empty_then_others_keep_their_numbers():
    lines = read_lines("\r\n1 | a | 1\r\n\r\n   \r2 | b | 2\n")
    assert [(line.number, line.service_id) for line in lines] == [(2, 1), (5, 2)]


def test_line_when_its_link_contains_a_bar_then_the_link_stays_whole():
    [line] = read_lines("7 | https://example.com/?a=1|2 | 100")
    assert (line.link, line.quantity) == ("https://example.com/?a=1|2", 100)


@pytest.mark.parametrize("text", ["", "  \n\t\r\n", "1 | a | 1\n" * 1_001, "x" * (MAX_TEXT + 1)])
def test_text_when_empty_or_too_long_then_it_is_refused(text):
    with pytest.raises(LinesRefused):
        read_lines(text)


ROWS = "7 | https://example.com/a | 100\n8 | https://example.com/b | 200"


@pytest.mark.parametrize(
    "data",
    [
        b"7,https://example.com/a,100\n8,https://example.com/b,200\n",
        b"service,link,quantity\r\n7,https://example.com/a,100\r\n\r\n8,https://example.com/b,200\r\n",
        b"\xef\xbb\xbfService;Link;Quantity\n7;https://example.com/a;100\n8;https://example.com/b;200",
        b"quantity,name,service,link\n100,x,7,https://example.com/a\n200,y,8,https://example.com/b",
        b'"7","https://example.com/a","100"\n"8","https://example.com/b","200"',
        b"7\thttps://example.com/a\t100\n8\thttps://example.com/b\t200",
    ],
)
def test_csv_file_when_in_a_usual_dialect_then_its_rows_become_lines(data):
    assert lines_of_file(data) == ROWS


def test_file_when_its_lines_have_bars_then_they_stay_unchanged():
    assert lines_of_file(ROWS.encode()) == ROWS


def test_csv_file_when_a_cell_is_formula_escaped_then_unescaped():
    assert lines_of_file(b"7,'@somebody,100") == "7 | @somebody | 100"


def test_csv_file_when_a_cell_has_line_ends_then_it_becomes_one_line():
    assert lines_of_file(b'7,"https://example.com/a\n8 | b | 9",100') == "7 | https://example.com/a 8 | b | 9 | 100"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no lines"),
        (b"service,link,quantity\n", "no lines"),
        (b"service,quantity\n7,100\n", "“link” is missing"),
        (b"\x89PNG\r\n\x1a\n\0\0", "not a CSV file"),
        ("7,https://example.com/ä,100".encode("latin-1"), "UTF-8"),
        (b"7," + b"x" * MAX_TEXT, "too large"),
        (b'7,"https://example.com/a,100\n', "not CSV"),
    ],
)
def test_file_when_it_cannot_be_read_then_the_error_says_why(data, words):
    with pytest.raises(LinesRefused, match=words):
        lines_of_file(data)


# -- the preview -------------------------------------------------------------------------------------


def test_quote_when_lines_are_valid_then_it_has_charges_and_total(customer, service):
    package = make.service(service.upstream.provider, external_id="2", type="package", rate="3", name="Starter")
    quote = quoted(customer, f"{service.pk} | {LINK} | 1000\n{package.pk} | {LINK}\n{package.pk} | @me | 1")
    assert [one.charge for one in quote.lines] == [2_500_000, 3_750_000, 3_750_000]
    assert (quote.charge, quote.balance_after, quote.missing) == (10_000_000, 0, 0)


def test_quote_when_customer_agreed_a_price_then_only_they_get_it(customer, other, service):
    CustomerPrice.objects.create(customer=other, service=service, price=2_250_000)
    text = f"{service.pk} | {LINK} | 1000"
    assert quoted(customer, text).charge == 2_500_000
    assert quoted(other, text).charge == 2_250_000


def test_quote_when_lines_are_wrong_then_each_has_its_error(customer, service):
    comments = make.service(service.upstream.provider, external_id="2", type="custom_comments", name="Comments")
    package = make.service(service.upstream.provider, external_id="3", type="package", name="Starter")
    hidden = make.service(service.upstream.provider, external_id="4")
    Service.objects.filter(pk=hidden.pk).update(is_on_sale=False)
    good, pk = f"{service.pk} | {LINK} | 100", service.pk
    wrong = {
        f"{pk} | {LINK} | -5": "between 10 and 10,000",
        f"{pk} | {LINK} | 0": "between",
        f"{pk} | {LINK} | 999999999999999": "between",
        f"{pk} | {LINK} | 9{'9' * 4_000}": "whole number",
        f"{pk} | {LINK} | \uff11\uff10\uff10": "whole number",
        f"{pk} | {LINK} | 1e3": "whole number",
        f"{pk} | {LINK} |": "Enter a quantity",
        f"{pk} | {LINK}": "Enter a quantity",
        f"{pk} | https://example.com/{'x' * 5_000} | 100": "too long",
        f"{pk} | https://example.com/\0 | 100": "invisible",
        f"{pk} | javascript:alert(1) | 100": "no link",
        f"{pk} |  | 100": "Enter the link",
        f"{pk}": "with bars",
        "what is this": "with bars",
        f"\uff11 | {LINK} | 100": "number of a service",
        f"-1 | {LINK} | 100": "number of a service",
        f"999999999999999999 | {LINK} | 100": "There is no service",
        f"{hidden.pk} | {LINK} | 100": "There is no service",
        f"{comments.pk} | {LINK} | 100": "asks for more than a link",
        f"{package.pk} | {LINK} | 100": "leave the quantity out",
    }
    errors = errors_of(customer, good, *wrong)
    assert errors[0] == ""
    for (line, words), error in zip(wrong.items(), errors[1:], strict=True):
        assert words in error, line


def test_quote_when_link_is_duplicate_then_warns_but_stays_valid(customer, other, service):
    running = make.order(customer, service, link="https://example.com/runs")
    make.order(other, service, link="https://example.com/b")
    quote = quoted(
        customer,
        f"{service.pk} | https://www.example.com/a/ | 100\n{service.pk} | http://example.com/a | 100\n"
        f"{service.pk} | https://example.com/runs | 100\n{service.pk} | https://example.com/b | 100",
    )
    assert [one.warning for one in quote.lines] == [
        "",
        "The same service and link as line 1.",
        f"Order {running.pk} of this service and link is still running.",
        "",
    ]
    assert quote.failed == []


def test_quote_when_lines_and_services_grow_then_its_queries_do_not(customer, service):
    more = [make.service(service.upstream.provider, external_id=f"s{number}") for number in range(20)]
    with statements() as few:
        quoted(customer, f"{service.pk} | {LINK} | 100")
    with statements() as many:
        quoted(customer, "\n".join(f"{one.pk} | https://example.com/{one.pk} | 100" for one in more))
    assert len(many) == len(few) <= 6


# -- ordering ----------------------------------------------------------------------------------------


def test_lines_when_ordered_then_each_is_an_order_with_its_own_entry(customer, service):
    created = order_all(customer, f"{service.pk} | {LINK} | 1000\n{service.pk} | @me | 100\nnonsense")
    first, second = Order.objects.order_by("pk")
    assert (created.orders, created.charge, [line.text for line in created.left]) == (2, 2_750_000, ["nonsense"])
    assert (first.link, first.quantity, first.charge, first.submission) == (LINK, 1000, 2_500_000, "queued")
    assert (second.link, second.link_key, second.quantity) == ("@me", "@me", 100)
    assert money_of(customer) == (7_250_000, [("deposit", 10_000_000), ("order", -2_500_000), ("order", -250_000)])
    assert list(Entry.objects.filter(kind="order").order_by("seq").values_list("order_ref", flat=True)) == [
        first.pk,
        second.pk,
    ]
    assert [(event.order_id, event.kind) for event in OrderEvent.objects.order_by("pk")] == [
        (first.pk, "ordered"),
        (second.pk, "ordered"),
    ]


def test_order_when_created_in_bulk_then_it_equals_a_single_order(customer, service):
    order_all(customer, f"{service.pk} | {LINK} | 100")
    make.order(customer, service)
    mass, single = Order.objects.order_by("pk").values()
    own = {"id", "request_key", "created_at", "queued_at", "next_action_at", "turn"}
    assert {name: value for name, value in mass.items() if name not in own} == {
        name: value for name, value in single.items() if name not in own
    }


def test_request_when_repeated_then_it_returns_the_first_orders(customer, service):
    text, key = f"{service.pk} | {LINK} | 100\n{service.pk} | @me | 100", uuid4().hex
    first = order_all(customer, text, key=key)
    Service.objects.update(price=9_000_000)  # A later price does not matter.
    with nothing_changes():
        again = create_bulk(customer=customer, text=text, request_key=key, seal="")
    assert (again.orders, again.charge) == (first.orders, first.charge) == (2, 500_000)


def test_request_when_key_reused_for_other_lines_then_nothing_lost(customer, service):
    text, key = f"{service.pk} | {LINK} | 100", uuid4().hex
    seal = quoted(customer, text).seal
    create_bulk(customer=customer, text=text, request_key=key, seal=seal)
    with nothing_changes(), pytest.raises(PreviewChanged):
        create_bulk(customer=customer, text=f"{text}\n{service.pk} | @me | 100", request_key=key, seal=seal)


def test_request_when_repeated_then_the_same_failed_lines_are_left(customer, service):
    text, key = f"{service.pk} | {LINK} | 100\n{service.pk} | no link | 100", uuid4().hex
    seal = quoted(customer, text).seal
    first = create_bulk(customer=customer, text=text, request_key=key, seal=seal)
    Service.objects.update(is_on_sale=False)  # Lines that were ordered are not left, though off sale by now.
    again = create_bulk(customer=customer, text=text, request_key=key, seal=seal)
    assert [line.number for line in first.left] == [line.number for line in again.left] == [2]


def test_request_key_when_customers_share_it_then_each_gets_orders(customer, other, service):
    key = uuid4().hex
    order_all(customer, f"{service.pk} | {LINK} | 100", key=key)
    order_all(other, f"{service.pk} | {LINK} | 100", key=key)
    assert [order.customer for order in Order.objects.order_by("pk")] == [customer, other]


def test_balance_when_one_line_is_not_covered_then_nothing_ordered(customer, service):
    text = "\n".join(f"{service.pk} | https://example.com/{n} | 1000" for n in range(5))
    with nothing_changes(), pytest.raises(NotEnoughFunds) as refused:
        order_all(customer, text)
    assert refused.value.missing == 2_500_000
    assert quoted(customer, text).missing == 2_500_000


def test_prices_when_one_rose_since_preview_then_nothing_ordered(customer, service):
    second = make.service(service.upstream.provider, external_id="2")
    text = f"{service.pk} | {LINK} | 100\n{second.pk} | {LINK} | 100"
    seal = quoted(customer, text).seal
    Service.objects.filter(pk=second.pk).update(price=second.price + 10_000)
    Service.objects.filter(pk=service.pk).update(price=service.price - 10_000)  # It does not make up for the other.
    with nothing_changes(), pytest.raises(PreviewChanged):
        order_all(customer, text, seal=seal)


def test_prices_when_fallen_since_preview_then_lower_price_charged(customer, service):
    text = f"{service.pk} | {LINK} | 1000"
    seal = quoted(customer, text).seal
    Service.objects.update(price=2_400_000)
    assert order_all(customer, text, seal=seal).charge == 2_400_000


@pytest.mark.parametrize("was_on_sale", [True, False])
def test_service_when_put_on_or_off_sale_then_nothing_ordered(was_on_sale, customer, service):
    second = make.service(service.upstream.provider, external_id="2")
    text = f"{service.pk} | {LINK} | 100\n{second.pk} | {LINK} | 100"
    Service.objects.filter(pk=second.pk).update(is_on_sale=was_on_sale)
    seal = quoted(customer, text).seal
    Service.objects.filter(pk=second.pk).update(is_on_sale=not was_on_sale)
    with nothing_changes(), pytest.raises(PreviewChanged):
        order_all(customer, text, seal=seal)


def test_lines_when_edited_since_the_preview_then_nothing_is_ordered(customer, service):
    seal = quoted(customer, f"{service.pk} | {LINK} | 100").seal
    with nothing_changes(), pytest.raises(PreviewChanged):
        order_all(customer, f"{service.pk} | https://example.com/other | 100", seal=seal)


def test_seal_when_forged_then_the_real_price_is_charged_or_nothing(customer, service):
    """A seal with higher charges is charged at today's price; one with lower charges orders nothing."""
    text = f"{service.pk} | {LINK} | 1000"
    seen = quoted(customer, text).seal
    print_ = seen.partition(":")[0]
    forged = [
        "",
        ":",
        "x",
        print_,
        f"{print_}:",
        f"{print_}:0",
        f"{print_}:-1",
        f"{print_}:\uff19",
        f"{print_}:2499999",
    ]
    forged += [
        f"{print_}:2500000,2500000",
        f"{print_}:99999999999999999999x",
        f"{print_}:inf",
        f"{print_}:{'9' * 5_000}",
        "\0" * 9,
    ]
    for seal in forged:
        with nothing_changes(), pytest.raises(PreviewChanged):
            order_all(customer, text, seal=seal)
    assert order_all(customer, text, seal=f"{print_}:{'9' * 18}").charge == 2_500_000


def test_process_when_killed_at_any_statement_then_all_or_nothing(customer, service):
    text, key = f"{service.pk} | {LINK} | 1000\n{service.pk} | @me | 100", uuid4().hex
    seal = quoted(customer, text).seal

    def nothing() -> None:
        assert (Order.objects.count(), OrderEvent.objects.count()) == (0, 0)
        assert money_of(customer) == (10_000_000, [("deposit", 10_000_000)])

    assert kill_at_each_statement(lambda: order_all(customer, text, key=key, seal=seal), nothing) > 8
    assert order_all(customer, text, key=key, seal=seal).orders == Order.objects.count() == 2


def test_lines_when_there_are_a_thousand_then_statements_bounded(service):
    rich = make.customer("rich@example.org", funds="10000")

    def ordered(count: int) -> int:
        text = "\n".join(f"{service.pk} | https://example.com/{uuid4().hex} | 100" for _ in range(count))
        seal = quoted(rich, text).seal
        with statements() as found:
            assert order_all(rich, text, seal=seal).orders == count
        return len(found)

    few, all_of_them = ordered(10), ordered(1_000)
    assert few <= 15
    # SQLite accepts a thousand parameters in a statement: about twenty orders.
    assert all_of_them <= (25 if connection.vendor == "postgresql" else 100)


# -- at once -----------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_request_when_sent_by_many_tabs_at_once_then_created_once(service):
    rich = make.customer("rich@example.org", funds="100")
    text, key = "\n".join(f"{service.pk} | https://example.com/{n} | 100" for n in range(20)), uuid4().hex
    seal = quoted(rich, text).seal
    results = at_once(6, lambda _: create_bulk(customer=rich, text=text, request_key=key, seal=seal))
    assert [(created.orders, created.charge) for created in results] == [(20, 5_000_000)] * 6
    assert Order.objects.count() == 20
    assert find_breaches() == []


@pytest.mark.django_db(transaction=True)
def test_request_when_the_keys_differ_then_each_creates_orders(service):
    """Without the shared key, the same clicks order everything again."""
    rich = make.customer("rich@example.org", funds="100")
    text = f"{service.pk} | {LINK} | 100\n{service.pk} | @me | 100"
    seal = quoted(rich, text).seal
    at_once(4, lambda _: create_bulk(customer=rich, text=text, request_key=uuid4().hex, seal=seal))
    assert Order.objects.count() == 8
    assert find_breaches() == []


@pytest.mark.django_db(transaction=True)
def test_balance_for_two_when_six_requests_race_then_two_succeed(service):
    alice = make.customer("rich@example.org", funds="1.20")
    text = f"{service.pk} | {LINK} | 100\n{service.pk} | @me | 100"
    seal = quoted(alice, text).seal
    results = at_once(6, lambda _: create_bulk(customer=alice, text=text, request_key=uuid4().hex, seal=seal))
    assert Counter(type(result) for result in results) == {CreatedBulk: 2, NotEnoughFunds: 4}
    assert (Order.objects.count(), make.wallet(alice).balance) == (4, 200_000)
    assert find_breaches() == []


@pytest.mark.django_db(transaction=True)
def test_orders_when_single_and_bulk_at_once_then_entries_add_up(service):
    rich = make.customer("rich@example.org", funds="100")
    text = "\n".join(f"{service.pk} | https://example.com/{n} | 100" for n in range(50))
    seal = quoted(rich, text).seal

    def work(number: int) -> Any:
        if number % 2:
            return [make.order(rich, service) for _ in range(5)]
        return create_bulk(customer=rich, text=text, request_key=uuid4().hex, seal=seal)

    assert [one for one in at_once(6, work) if isinstance(one, BaseException)] == []
    entries = Entry.objects.filter(wallet__customer=rich).order_by("seq")
    assert all(later.balance_after == earlier.balance_after + later.amount for earlier, later in pairwise(entries))
    assert Order.objects.count() == 165
    assert find_breaches() == []


# -- the page ----------------------------------------------------------------------------------------


def send(client: Client, text: str = "", **data: Any) -> Any:
    return client.post(reverse("mass_order"), {"lines": text, "do": "preview", **data})


def hidden_fields(page: Any) -> dict[str, str]:
    """Return the hidden fields of a preview's form."""
    form = page.context["form"]
    return {name: form[name].value() for name in ("lines", "request_key", "seal")}


def text_of(page: Any) -> str:
    return " ".join(page.content.decode().split())


def test_page_when_lines_previewed_and_ordered_then_created_once(signed_in, customer, service):
    page = send(signed_in, f"{service.pk} | {LINK} | 1000\n{service.pk} | @me | 100")
    assert Order.objects.count() == 0
    assert "Order all 2 for $2.75" in text_of(page)
    assert "$7.25" in text_of(page)
    for _ in range(2):
        answer = signed_in.post(reverse("mass_order"), {**hidden_fields(page), "do": "order"})
        assert answer.url == reverse("order_list")
    listed = text_of(signed_in.get(answer.url))
    assert listed.count("2 orders were received: $2.75.") == 1
    assert Order.objects.count() == 2


def test_page_when_some_lines_invalid_then_kept_and_others_ordered(signed_in, customer, service):
    page = send(signed_in, f"{service.pk} | {LINK} | 100\n{service.pk} | <b>nonsense</b> | 100")
    text = text_of(page)
    assert "<strong>Line 2:</strong> A link has no" in text or "<strong>Line 2:</strong> This is no link" in text
    assert "<b>nonsense" not in text
    assert "Order the valid one for $0.25" in text
    signed_in.post(reverse("mass_order"), {**hidden_fields(page), "do": "order"})
    assert "The other line waits" in text_of(signed_in.get(reverse("order_list")))
    assert hidden_fields(signed_in.get(reverse("mass_order")))["lines"] == f"{service.pk} | <b>nonsense</b> | 100"
    assert Order.objects.get().link == LINK


def test_page_when_the_price_rose_then_it_shows_the_preview_again(signed_in, service):
    page = send(signed_in, f"{service.pk} | {LINK} | 1000")
    Service.objects.update(price=2_600_000)
    with nothing_changes():
        again = signed_in.post(reverse("mass_order"), {**hidden_fields(page), "do": "order"})
    assert "changed since the preview. Nothing was charged" in text_of(again)
    assert "Order for $2.60" in text_of(again)
    signed_in.post(reverse("mass_order"), {**hidden_fields(again), "do": "order"})
    assert Order.objects.get().charge == 2_600_000


def test_page_when_balance_is_short_then_it_shows_missing_amount(signed_in, service):
    page = send(signed_in, f"{service.pk} | {LINK} | 5000")
    assert 'You need <bdi class="money">$2.50</bdi> more' in text_of(page)
    with nothing_changes():
        again = signed_in.post(reverse("mass_order"), {**hidden_fields(page), "do": "order"})
    assert "$2.50 is missing" in text_of(again)
    assert hidden_fields(again)["lines"] == f"{service.pk} | {LINK} | 5000"


def test_page_when_there_was_no_preview_then_it_shows_one(signed_in, service):
    with nothing_changes():
        page = send(signed_in, f"{service.pk} | {LINK} | 100", do="order")
        other = send(signed_in, f"{service.pk} | {LINK} | 100", do="order", request_key="a" * 32)
    assert "Order for $0.25" in text_of(page)
    assert "Order for $0.25" in text_of(other)


@pytest.mark.parametrize(
    ("name", "data", "error"),
    [
        ("x.png", b"\x89PNG\r\n\x1a\n\0\0", "This is not a CSV file."),
        ("x.csv", b"7," + b"x" * MAX_TEXT, "This file is too large: 500 KB at most."),
        ("x.csv", b"", "This file holds no lines to order."),
        ("x.csv", b"name,price\nservice,1", "Begin with the number"),
    ],
)
def test_file_when_it_is_wrong_then_field_or_line_shows_the_error(name, data, error, signed_in):
    with nothing_changes():
        page = send(signed_in, file=SimpleUploadedFile(name, data))
    assert page.status_code == 200
    assert error in text_of(page)


def test_file_when_it_is_valid_then_its_lines_fill_the_form(signed_in, service):
    page = send(signed_in, file=SimpleUploadedFile("x.csv", f"service,link,quantity\n{service.pk},@me,100".encode()))
    assert hidden_fields(page)["lines"] == f"{service.pk} | @me | 100"
    assert "Order for $0.25" in text_of(page)


def test_file_when_lines_typed_too_then_lines_kept_and_error_shown(signed_in, service):
    page = send(signed_in, "1 | mine | 100", file=SimpleUploadedFile("x.csv", f"{service.pk},@me,100".encode()))
    assert "There are lines above already" in text_of(page)
    assert hidden_fields(page)["lines"] == "1 | mine | 100"


def test_text_when_empty_or_too_long_then_kept_with_field_error(signed_in):
    assert "Write at least one line" in text_of(send(signed_in, " "))
    page = send(signed_in, "1 | @me | 1\n" * 1_001)
    assert "these are 1,001" in text_of(page)
    assert hidden_fields(page)["lines"].count("@me") == 1_001


def test_page_when_it_previews_many_lines_then_queries_do_not_grow(signed_in, service):
    counts = []
    for count in (1, 40):
        text = "\n".join(f"{service.pk} | https://example.com/{n} | 100" for n in range(count))
        send(signed_in, text)
        with statements() as found:
            send(signed_in, text)
        counts.append(len(found))
    assert counts[0] == counts[1] <= 12


# -- a session that ended ----------------------------------------------------------------------------


def test_lines_when_session_ended_then_they_are_kept_until_sign_in(customer, service):
    client = Client()
    text = f"{service.pk} | {LINK} | 100\nünfinished"
    answer = send(client, text, owner=make.form_owner(customer, reverse("mass_order")))
    assert answer.url == f"{reverse('account_login')}?next={reverse('mass_order')}"
    assert "Your lines are kept" in text_of(client.get(answer.url))
    signed = client.post(answer.url, {"login": customer.email, "password": PASSWORD})
    assert signed.url == reverse("mass_order")
    assert hidden_fields(client.get(signed.url))["lines"] == text
    assert hidden_fields(client.get(signed.url))["lines"] == text  # Loaded again, they are still there.
    send(client, "1 | @me | 1")
    assert hidden_fields(client.get(signed.url))["lines"] == ""  # The customer went on.
    assert Order.objects.count() == 0


def test_file_when_session_ended_then_lines_are_kept_until_sign_in(customer, service):
    client = Client()
    file = SimpleUploadedFile("x.csv", f"{service.pk},@me,100".encode())
    answer = send(client, file=file, owner=make.form_owner(customer, reverse("mass_order")))
    client.post(answer.url, {"login": customer.email, "password": PASSWORD})
    assert hidden_fields(client.get(reverse("mass_order")))["lines"] == f"{service.pk} | @me | 100"


def test_visitor_when_nothing_was_typed_then_no_session_is_created():
    client = Client()
    for answer in (client.get(reverse("mass_order")), send(client)):
        assert answer.url.startswith(reverse("account_login"))
    assert settings.SESSION_COOKIE_NAME not in client.cookies


def test_lines_when_another_customer_signs_in_then_not_shown(customer, other):
    client = Client()
    send(client, "1 | @me | 1", owner=make.form_owner(customer, reverse("mass_order")))
    client.force_login(other)
    assert hidden_fields(client.get(reverse("mass_order")))["lines"] == ""


def test_visitor_when_form_owner_is_forged_then_no_session_created(customer):
    client = Client()
    send(client, "1 | @me | 1", owner=f"{customer.pk}:forged")
    assert settings.SESSION_COOKIE_NAME not in client.cookies


def test_lines_when_kept_for_too_long_then_they_are_dropped(customer, monkeypatch):
    client = Client()
    send(client, "1 | @me | 1", owner=make.form_owner(customer, reverse("mass_order")))
    client.force_login(customer)
    monkeypatch.setattr("orders.web.views.drafts.SECONDS", -1)
    assert hidden_fields(client.get(reverse("mass_order")))["lines"] == ""
