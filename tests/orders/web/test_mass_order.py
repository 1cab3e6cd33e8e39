"""The page of mass orders: a preview, lines to correct at their places, and what came of each line."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from catalog.models import Service
from orders.models import Order
from tests import make
from tests.scenes import nothing_changes, statements

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

LINK = "https://example.com/a"
PASSWORD = "correct horse battery"


def send(client: Client, text: str = "", **data: Any) -> Any:
    return client.post(reverse("mass_order"), {"lines": text, "do": "preview", **data})


def hidden_fields(page: Any) -> dict[str, str]:
    """Return the hidden fields of a preview's form."""
    form = page.context["form"]
    return {name: form[name].value() for name in ("lines", "request_key", "seal")}


def text_of(page: Any) -> str:
    return " ".join(page.content.decode().split())


def order(client: Client, page: Any) -> Any:
    """Order what the page shows. Return the page that follows."""
    answer = client.post(reverse("mass_order"), {**hidden_fields(page), "do": "order"})
    return client.get(answer.url)


def rows_of(page: Any) -> list[str]:
    """Return the text of each row of the page's tables."""
    rows = re.findall("<tr>.*?</tr>", page.content.decode(), re.S)
    return [" ".join(re.sub("<[^>]*>", " ", row).split()) for row in rows if "<td" in row]


def test_page_when_lines_previewed_and_ordered_then_created_once(signed_in, customer, service):
    page = send(signed_in, f"{service.pk} | {LINK} | 1000\n{service.pk} | @me | 100")
    assert Order.objects.count() == 0
    assert "Order all 2 for $2.75" in text_of(page)
    assert "$7.25" in text_of(page)
    for _ in range(2):
        answer = signed_in.post(reverse("mass_order"), {**hidden_fields(page), "do": "order"})
        made = signed_in.get(answer.url)
        assert "2 orders were received: $2.75." in text_of(made)
    assert Order.objects.count() == 2


def test_page_when_ordered_then_it_says_what_came_of_each_line(signed_in, customer, service):
    text = f"service | link | quantity\n{service.pk} | {LINK} | 1000\nnonsense | x | 1\n{service.pk} | @me | 100"
    made = order(signed_in, send(signed_in, text))
    first, second = Order.objects.order_by("pk")
    assert rows_of(made) == [
        f"2 {first.pk} Followers example.com/a 1,000 $2.50",
        f"4 {second.pk} Followers @me 100 $0.25",
    ]
    assert f'href="{reverse("order_detail", args=[first.pk])}"' in made.content.decode()
    assert "1 line was not ordered and waits below." in text_of(made)
    assert hidden_fields(made)["lines"] == "service | link | quantity\nnonsense | x | 1"
    assert 'name="line-2" value="nonsense | x | 1"' in made.content.decode()


def test_made_page_when_the_key_is_anothers_or_wrong_then_it_shows_no_orders(signed_in, customer, other, service):
    client = Client()
    client.force_login(other)
    page = send(client, f"{service.pk} | {LINK} | 100")
    answer = client.post(reverse("mass_order"), {**hidden_fields(page), "do": "order"})
    for query in (answer.url.partition("?")[2], "made=x", f"made={'0' * 32}.{'0' * 16}"):
        seen = signed_in.get(f"{reverse('mass_order')}?{query}")
        assert seen.status_code == 200
        assert "received" not in text_of(seen)


def test_page_when_some_lines_invalid_then_kept_and_others_ordered(signed_in, customer, service):
    page = send(signed_in, f"{service.pk} | {LINK} | 100\n{service.pk} | <b>nonsense</b> | 100")
    text = text_of(page)
    assert f'id="line-2" name="line-2" value="{service.pk} | &lt;b&gt;nonsense&lt;/b&gt; | 100"' in text
    assert 'aria-describedby="why-2"' in text and "This is no link" in text.partition('id="why-2"')[2]
    assert "<b>nonsense" not in text
    assert "Order the valid one for $0.25" in text
    order(signed_in, page)
    assert hidden_fields(signed_in.get(reverse("mass_order")))["lines"] == f"{service.pk} | <b>nonsense</b> | 100"
    assert Order.objects.get().link == LINK


# -- correcting at the line ----------------------------------------------------------------------------


def test_wrong_line_when_corrected_at_its_place_then_the_text_has_it(signed_in, service):
    good, bad = f"{service.pk} | {LINK} | 100", f"{service.pk} | @me | 1"
    page = send(signed_in, f"{good}\n{bad}")
    fixed = {"was-2": bad, "line-2": f"{service.pk} | @me | 10"}
    again = signed_in.post(reverse("mass_order"), {**hidden_fields(page), **fixed, "do": "preview"})
    assert hidden_fields(again)["lines"] == f"{good}\n{service.pk} | @me | 10"
    assert "Order all 2 for" in text_of(again)
    with nothing_changes():  # A correction that was not checked is not ordered unseen.
        unseen = signed_in.post(reverse("mass_order"), {**hidden_fields(page), **fixed, "do": "order"})
    assert "changed since the preview. Nothing was charged" in text_of(unseen)
    assert hidden_fields(unseen)["lines"] == f"{good}\n{service.pk} | @me | 10"


def test_correction_when_the_form_is_refused_then_it_is_kept(signed_in):
    data = {"lines": "1 | a | 1\n" * 1_001, "was-3": "1 | a | 1", "line-3": "mine", "do": "preview"}
    page = signed_in.post(reverse("mass_order"), data)
    assert "these are 1,001" in text_of(page)
    assert hidden_fields(page)["lines"].split("\n")[2] == "mine"


def test_wrong_lines_when_kept_alone_then_the_others_can_be_put_back(signed_in, service):
    header, good, bad = "service | link | quantity", f"{service.pk} | {LINK} | 100", "x | @me | 1"
    page = send(signed_in, f"{header}\n{good}\n{bad}\n{service.pk} | @you | 100", do="wrong")
    assert hidden_fields(page)["lines"] == f"{header}\n{bad}"
    assert "2 other lines were taken out and are kept." in text_of(page)
    aside = page.context["form"]["aside"].value()
    back = send(signed_in, f"{header}\n{service.pk} | @he | 100", aside=aside, do="back")
    assert hidden_fields(back)["lines"].split("\n") == [
        header,
        good,
        f"{service.pk} | @you | 100",
        f"{service.pk} | @he | 100",
    ]
    assert "Order all 3 for $0.75" in text_of(back)
    assert "taken out" not in text_of(back)


def test_lines_when_set_aside_then_ordering_and_checking_keep_them(signed_in, service):
    aside = f"{service.pk} | @you | 100"
    page = send(signed_in, f"{service.pk} | {LINK} | 100", aside=aside)
    assert page.context["form"]["aside"].value() == aside
    data = {**hidden_fields(page), "aside": aside, "do": "order"}
    made = signed_in.get(signed_in.post(reverse("mass_order"), data).url)
    assert hidden_fields(made)["lines"] == aside


def test_repeated_lines_when_left_out_then_set_aside(signed_in, service):
    line = f"{service.pk} | {LINK} | 100"
    page = send(signed_in, f"{line}\n{line}\n{line}")
    assert "Leave out 2 repeated lines" in text_of(page)
    once = send(signed_in, f"{line}\n{line}\n{line}", do="once")
    assert hidden_fields(once)["lines"] == line
    assert once.context["form"]["aside"].value() == f"{line}\n{line}"


def test_lines_when_there_are_hundreds_then_the_page_shows_the_first(signed_in, service):
    text = "\n".join([f"{service.pk} | https://example.com/{n} | 10" for n in range(150)] + ["wrong"] * 150)
    page = send(signed_in, text)
    assert len(rows_of(page)) == 100
    assert page.content.count(b'name="was-') == 100
    assert "Show all 150 lines" in text_of(page)
    assert len(rows_of(send(signed_in, text, show="all"))) == 150


def test_lines_when_hundreds_are_ready_then_those_with_questions_are_shown(signed_in, service):
    lines = [f"{service.pk} | https://example.com/{n} | 10" for n in range(150)]
    page = send(signed_in, "\n".join([*lines, lines[0]]))
    assert "The same as line 1. Order it again?" in text_of(page)
    assert rows_of(page)[0].startswith("1 ")
    assert rows_of(page)[-1].startswith("151 ")


def test_page_when_the_price_rose_then_it_shows_the_preview_again(signed_in, service):
    page = send(signed_in, f"{service.pk} | {LINK} | 1000")
    Service.objects.update(price=2_600_000)
    with nothing_changes():
        again = signed_in.post(reverse("mass_order"), {**hidden_fields(page), "do": "order"})
    assert "changed since the preview. Nothing was charged" in text_of(again)
    assert "Order for $2.60" in text_of(again)
    signed_in.post(reverse("mass_order"), {**hidden_fields(again), "do": "order"})
    assert Order.objects.get().charge == 2_600_000


def test_page_when_balance_is_short_then_adding_what_is_missing_is_offered(signed_in, service):
    text = f"{service.pk} | {LINK} | 5001"
    page = send(signed_in, text)
    assert f'href="{reverse("add_funds")}?amount=2.51"' in page.content.decode()
    assert "Your lines are kept." in text_of(page)
    with nothing_changes():
        again = signed_in.post(reverse("mass_order"), {**hidden_fields(page), "do": "order"})
    assert "is missing. Nothing was charged." in text_of(again)
    assert hidden_fields(again)["lines"] == text
    assert hidden_fields(signed_in.get(reverse("mass_order")))["lines"] == text


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
        ("x.csv", b"7," + b"x" * 1_000_000, "This file is too large: 1,000 KB at most."),
        ("x.csv", b"", "This file holds no lines to order."),
        ("x.csv", b"name,price\nservice,1", "Begin with the number"),
        ("x.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 99, "Save it as .xlsx without a password, or as CSV."),
        ("x.xlsx", b"PK\x03\x04", "This Excel file is damaged."),
    ],
)
def test_file_when_it_is_wrong_then_field_or_line_shows_the_error(name, data, error, signed_in):
    with nothing_changes():
        page = send(signed_in, file=SimpleUploadedFile(name, data))
    assert page.status_code == 200
    assert error in text_of(page)


def test_file_when_it_is_valid_then_its_lines_fill_the_form(signed_in, service):
    page = send(signed_in, file=SimpleUploadedFile("x.csv", f"service,link,quantity\n{service.pk},@me,100".encode()))
    assert hidden_fields(page)["lines"] == f"service,link,quantity\n{service.pk},@me,100"
    assert "Order for $0.25" in text_of(page)


def test_file_when_its_encoding_is_guessed_then_the_page_says_so(signed_in, service):
    page = send(signed_in, file=SimpleUploadedFile("x.csv", f"{service.pk},https://example.com/ü,100".encode("cp1252")))
    assert "we read it as Windows does" in text_of(page)
    assert hidden_fields(page)["lines"] == f"{service.pk},https://example.com/ü,100"


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
    assert hidden_fields(client.get(reverse("mass_order")))["lines"] == f"{service.pk},@me,100"


@pytest.mark.parametrize("owner", ["", "1:forged"])
def test_file_when_a_stranger_sends_it_then_not_opened(client, monkeypatch, owner):
    monkeypatch.setattr("orders.web.bulk_form.lines_of_file", lambda data: pytest.fail("opened"))
    answer = send(client, file=SimpleUploadedFile("x.csv", b"1,@me,100"), owner=owner)
    assert answer.url.startswith(reverse("account_login"))


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
