"""Bulk orders: each line's charge, error or question at the customer's prices."""

from __future__ import annotations

from typing import Any

import pytest

from catalog.models import CustomerPrice, Service
from orders.checkout.bulk_quotes import BulkQuote, quote_bulk
from orders.checkout.bulk_text import with_one_line_each
from tests import make
from tests.scenes import statements

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

LINK = "https://example.com/a"


def quoted(customer: Any, text: str) -> BulkQuote:
    return quote_bulk(customer=customer, text=text)


def errors_of(customer: Any, *lines: str) -> list[str]:
    """Return the preview's error for each line, "" where it can be ordered."""
    return [one.error for one in quoted(customer, "\n".join(lines)).lines]


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
        f"{pk} | {LINK} | 9{'9' * 4_000}": "number alone",
        f"{pk} | {LINK} | ten": "in digits",
        f"{pk} | {LINK} | 1e3": "Write the number out: 1,000",
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
        f"{comments.pk} | {LINK} | 100": "“Comments” is missing. Write service | link | comments, with \\n",
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
        "The same as line 1. Order it again?",
        f"Your order {running.pk} of this service and link is still running. Order more?",
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


def test_quantity_when_written_as_people_do_then_it_is_read(customer, service):
    lines = [f"{service.pk} | {LINK} | {written}" for written in ("1k", "1.000", "1 000", "١٬٠٠٠", "1,000")]
    quote = quoted(customer, "\n".join(lines))
    assert [one.checked and one.checked.quantity for one in quote.lines] == [1_000] * 5


# -- types that ask for more -------------------------------------------------------------------------


def typed(service: Service, kind: str, **values: Any) -> Service:
    """Create a service of this type at $25 for 1,000, beside `service`."""
    return make.service(service.upstream.provider, external_id=kind, type=kind, rate="20", low=1, name=kind, **values)


def test_comments_when_in_a_column_then_their_lines_are_counted_and_charged(customer, service):
    comments = typed(service, "custom_comments")
    header = "service | link | quantity | comments\n"
    written = {
        f"{comments.pk} | {LINK} | Nice!\\nSo good\\n\\nWow": "",
        f"{comments.pk} | {LINK} | | Nice!\\nSo good\\nWow": "",
        f"{comments.pk} | {LINK} | 3 | Nice!\\r\\nSo good\\nWow": "",
        f'{comments.pk}\t{LINK}\t"Nice!\nSo good\nWow"': "",
        f"{header}{comments.pk} | {LINK} |  | Nice!\\nSo good\\nWow": "",
        f"comments | link | service\nNice!\\nSo good\\nWow | {LINK} | {comments.pk}": "",
    }
    for text in written:
        [one] = quoted(customer, with_one_line_each(text)).lines
        assert (one.error, one.charge) == ("", 75_000), text
        assert one.checked is not None
        assert (one.checked.quantity, one.checked.params) == (3, {"comments": "Nice!\nSo good\nWow"}), text
        assert one.param_texts == [("Comments", "Nice! · So good · Wow")]


def test_comments_when_their_number_differs_from_the_quantity_then_line_says_so(customer, service):
    comments = typed(service, "custom_comments")
    assert errors_of(customer, f"{comments.pk} | {LINK} | 5 | Nice!\\nSo good") == [
        "The quantity is 5, but the lines to write are 2. Correct one of the two."
    ]


def test_comments_when_the_column_is_empty_then_line_names_it(customer, service):
    comments = typed(service, "custom_comments")
    [header] = errors_of(customer, "service | link | comments", f"{comments.pk} | {LINK} |")
    [plain] = errors_of(customer, f"{comments.pk} | {LINK}")
    assert header == "“Comments” is missing. Its column is named “comments”."
    assert plain == "“Comments” is missing. Write service | link | comments, with \\n before each further line."


def test_other_parameters_when_in_columns_then_checked_as_in_the_form(customer, service):
    likes, poll = typed(service, "comment_likes"), typed(service, "poll")
    names, traffic = typed(service, "mentions_custom_list"), typed(service, "web_traffic")
    quote = quoted(
        customer,
        f"{likes.pk} | {LINK} | 100 | somebody\n"
        f"{poll.pk} | {LINK} | 100 | 2\n"
        f"{poll.pk} | {LINK} | 100 | second\n"
        f"{names.pk} | {LINK} | anna, ben,carl\n"
        f"{traffic.pk} | {LINK} | 100 | de | desktop | Nowhere (direct)",
    )
    found = [(one.checked.quantity, one.checked.params) if one.checked else one.error for one in quote.lines]
    assert found == [
        (100, {"username": "somebody"}),
        (100, {"answer_number": "2"}),
        "Enter a whole number from 1 on.",
        (3, {"usernames": "anna\nben\ncarl"}),
        (100, {"country": "DE", "device": "1", "type_of_traffic": "3"}),
    ]


def test_columns_when_of_other_types_then_they_are_left_alone(customer, service):
    comments = typed(service, "custom_comments")
    quote = quoted(
        customer,
        f"Link,Service,Qty,Comment,Note\n{LINK},{service.pk},100,,mine\n{LINK},{comments.pk},,Nice!,\n",
    )
    assert [one.checked and (one.checked.quantity, one.checked.params) for one in quote.lines] == [
        (100, {}),
        (1, {"comments": "Nice!"}),
    ]


def test_repeated_lines_when_their_comments_differ_then_nothing_is_asked(customer, service):
    comments = typed(service, "custom_comments")
    quote = quoted(
        customer,
        f"{comments.pk} | {LINK} | Nice!\n{comments.pk} | {LINK} | Wow\n{comments.pk} | {LINK} | Nice!",
    )
    assert [one.repeats for one in quote.lines] == [None, None, 1]
    assert [one.line.number for one in quote.repeated] == [3]
