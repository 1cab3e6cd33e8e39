"""The wallet's page: entries, filters, pages, the CSV export, and spending."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from billing import append_only, ledger
from billing.models import Entry
from billing.wallets import wallet_of
from billing.web.spending import MAX_SERVICES, month_starts, spending_of
from panel.accounts.models import User
from tests import make, unguarded
from tests.scenes import create_accepted, set_and_poll

pytestmark = pytest.mark.django_db


def post(customer, amount, kind="order", *, memo="Followers", key="", at=None, **refs):
    wallet = wallet_of(customer=customer)
    key = key or f"test:{wallet.entries.count()}:{customer.pk}"
    entry = ledger.post(wallet_id=wallet.pk, amount=make.micros(amount), kind=kind, key=key, memo=memo, **refs).entry
    if at:
        made_at(entry, at)
    return entry


def made_at(entry, moment):
    """Set an entry's time, past the triggers that refuse it."""
    with connection.cursor() as cursor:
        for statement in append_only.REMOVE[connection.vendor]:
            cursor.execute(statement)
        unguarded.entries().filter(pk=entry.pk).update(created_at=moment)
        for statement in append_only.INSTALL[connection.vendor]:
            cursor.execute(statement)


def page(client, **params):
    response = client.get(reverse("wallet"), params)
    assert response.status_code == 200
    return response


def shown(response):
    return [entry.seq for entry in response.context["page"].rows]


# -- entries ---------------------------------------------------------------------------------------------


def test_wallet_when_it_has_entries_then_newest_first_with_balances(signed_in, customer):
    post(customer, "-2.35")
    response = page(signed_in)
    assert shown(response) == [2, 1]
    text = response.content.decode()
    assert "$7.65" in text and "−$2.35" in text and "+$10.00" in text


def test_wallet_when_empty_then_says_what_to_do():
    client = Client()
    client.force_login(make.customer("new@example.org"))
    response = page(client)
    assert "No transactions yet" in response.content.decode()
    assert "CSV" not in response.content.decode()


def test_wallet_when_it_has_many_entries_then_pages_cover_each_once(signed_in, customer):
    for number in range(59):
        post(customer, "0.01", "bonus", key=f"k{number}")
    found, params = [], {}
    while True:
        response = page(signed_in, **params)
        found += shown(response)
        if not response.context["page"].next:
            break
        params = dict([response.context["page"].next])
    assert found == list(range(60, 0, -1))


@pytest.mark.parametrize("place", ["nonsense", "1", "1.1.1", "-5.3", "9" * 30, "\x00"])
def test_wallet_when_the_position_is_malformed_then_it_opens(signed_in, place):
    assert page(signed_in, after=place).status_code == 200


def test_wallet_when_it_grows_then_statements_stay_the_same(signed_in, customer):
    def statements():
        with CaptureQueriesContext(connection) as asked:
            page(signed_in)
        return len(asked)

    make.payment_method()
    make.pending_deposit(customer)
    statements()
    few = statements()
    make.pending_deposit(customer)
    for number in range(10):
        post(customer, "-0.01", key=f"k{number}", order_ref=None)
    assert statements() == few <= 12


def test_entries_when_they_have_a_cause_then_linked(signed_in, customer, service):
    make.payment_method()
    deposit = make.pending_deposit(customer)
    order = make.order(customer, service)
    drip = make.drip(customer, service)
    post(customer, "5", "deposit", key=f"deposit:{deposit.pk}")
    text = page(signed_in).content.decode()
    for name, pk in (("order_detail", order.pk), ("drip_detail", drip.pk), ("deposit_detail", deposit.pk)):
        assert f'href="{reverse(name, args=[pk])}"' in text


def test_entries_when_a_note_holds_markup_then_escaped(signed_in, customer):
    post(customer, "-1", memo="<script>alert(1)</script>")
    assert "<script>alert(1)" not in page(signed_in).content.decode()


# -- filters ---------------------------------------------------------------------------------------------


def test_filter_when_a_kind_is_chosen_then_only_its_entries(signed_in, customer):
    post(customer, "-1")
    post(customer, "0.5", "refund")
    assert shown(page(signed_in, kind="refund")) == [3]
    assert shown(page(signed_in, kind="bonus")) == []
    assert "Nothing matches" in page(signed_in, kind="bonus").content.decode()


def test_filter_when_days_given_then_inclusive_in_readers_time_zone(signed_in, customer, settings):
    [first] = Entry.objects.all()
    made_at(first, datetime(2026, 3, 1, tzinfo=UTC))
    for hour, day in ((23, 9), (0, 10), (23, 10), (0, 11)):
        post(customer, "-1", at=datetime(2026, 3, day, hour, tzinfo=UTC))
    days = {"since": "2026-03-10", "until": "2026-03-10"}
    assert shown(page(signed_in, **days)) == [4, 3]
    signed_in.cookies[settings.TIME_ZONE_COOKIE_NAME] = "Asia/Tokyo"  # The 10th is there from 15:00 UTC of the 9th.
    assert shown(page(signed_in, **days)) == [3, 2]


@pytest.mark.parametrize(
    "days",
    [
        {"since": "yesterday"},
        {"since": "2026-02-30"},
        {"until": "0001-01-01"},
        {"until": "９９99-01-01"},
        {"until": "20260101"},
        {"since": "x\x00"},
    ],
)
def test_filter_when_day_is_invalid_then_error_and_rest_is_applied(signed_in, days):
    response = page(signed_in, **days)
    [name] = days
    assert "Enter a date" in str(response.context["filters"].errors[name])
    assert shown(response) == [1]


def test_filter_when_end_is_before_start_then_error_on_end_day(signed_in):
    response = page(signed_in, since="2026-03-02", until="2026-03-01")
    assert "before the first" in str(response.context["filters"].errors["until"])


def test_filter_when_a_page_is_turned_then_kept(signed_in, customer):
    for number in range(30):
        post(customer, "-0.01", key=f"k{number}")
    response = page(signed_in, kind="order")
    assert "kind=order&amp;after=" in response.content.decode()
    assert shown(page(signed_in, kind="order", **dict([response.context["page"].next]))) == [6, 5, 4, 3, 2]


# -- CSV -------------------------------------------------------------------------------------------------


def exported(client, **params):
    response = client.get(reverse("wallet_export"), params)
    assert response.status_code == 200
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


def test_export_when_filtered_then_same_entries_in_plain_decimals(signed_in, customer):
    post(customer, "-0.000001", memo='=HYPERLINK("x")')
    header, *rows = exported(signed_in)
    assert header == ["number", "time", "what", "amount", "balance_after", "order", "drip_feed", "note"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", rows[0][1])
    assert [row[0] for row in rows] == ["2", "1"]
    assert rows[0][2:5] == ["Order", "-0.000001", "9.999999"]
    assert rows[0][7] == '\'=HYPERLINK("x")'
    assert [row[0] for row in exported(signed_in, kind="deposit")[1:]] == ["1"]


def test_export_when_the_reader_is_in_another_zone_then_times_are_theirs(signed_in, customer):
    User.objects.filter(pk=customer.pk).update(time_zone="Asia/Tokyo")
    assert exported(signed_in)[1][1].endswith("+09:00")


def test_export_when_a_filter_is_invalid_then_the_wallet_says_so(signed_in):
    response = signed_in.get(reverse("wallet_export"), {"since": "nonsense"}, follow=True)
    assert response.redirect_chain[0][0] == f"{reverse('wallet')}?since=nonsense"
    assert "Enter a date" in response.content.decode()


def test_export_when_another_customer_downloads_then_only_their_own(signed_in, customer, other):
    post(other, "-3", memo="Secret")
    assert "Secret" not in str(exported(signed_in))


# -- spending --------------------------------------------------------------------------------------------


def spent(customer):
    return spending_of(wallet=wallet_of(customer=customer))


def test_spending_when_partly_refunded_then_the_refund_is_deducted(upstream, customer, service, invariants_hold):
    [order] = create_accepted(customer, service, quantity=1_000)
    assert spent(customer).total == 2_500_000
    set_and_poll(upstream, order, status="Partial", remains=400)
    found = spent(customer)
    assert [(bar.label, bar.spent, bar.share) for bar in found.services] == [("Followers", 1_500_000, 100)]
    assert (found.months[0].spent, found.total) == (1_500_000, 1_500_000)


def test_spending_when_runs_refunded_then_deducted_from_service(customer):
    post(customer, "-3", "drip_feed", memo="Followers", drip_ref=7)
    post(customer, "2", "refund", memo="Followers", drip_ref=7)
    assert [(bar.label, bar.spent) for bar in spent(customer).services] == [("Followers", 1_000_000)]


def test_spending_when_time_zones_differ_then_site_months_are_used(customer):
    now = timezone.now()
    with timezone.override(ZoneInfo("America/New_York")):
        this, last = month_starts(timezone.localtime(now), 2)
    entry = post(customer, "-1")
    made_at(entry, this - (this - last) / 1000)  # A little before this month began in New York, not in London.
    with timezone.override(ZoneInfo("America/New_York")):
        months = spent(customer).months
        assert [bar.spent for bar in months[:2]] == [0, 1_000_000]
        assert timezone.localtime(months[0].label).day == 1


def test_month_starts_when_clocks_change_then_each_is_a_midnight():
    zone = ZoneInfo("Europe/Berlin")
    starts = month_starts(datetime(2026, 4, 15, tzinfo=zone), 12)
    assert [(one.month, one.hour) for one in starts[:3]] == [(4, 0), (3, 0), (2, 0)]
    assert starts[-1] == datetime(2025, 5, 1, tzinfo=zone)


def test_spending_when_many_services_then_rest_is_summed(customer):
    for number in range(MAX_SERVICES + 3):
        post(customer, f"-0.{number + 10}", memo=f"Service {number:02}")
    found = spent(customer)
    assert len(found.services) == MAX_SERVICES
    assert found.services[0].label == "Service 12"
    assert (found.other_services, found.others) == (3, 330_000)
    assert found.total == sum(bar.spent for bar in found.services) + found.others


def test_spending_when_money_was_added_or_adjusted_then_not_counted(customer):
    post(customer, "5", "bonus")
    post(customer, "-5", "adjustment")
    assert (spent(customer).total, spent(customer).services) == (0, [])


def test_spending_when_the_wallet_moves_then_not_from_the_cache(customer):
    assert spent(customer).total == 0
    post(customer, "-1")
    assert spent(customer).total == 1_000_000


def test_spending_when_shown_then_amounts_are_text_and_bars_hidden(signed_in, customer):
    post(customer, "-1.234567", memo="<b>Likes</b>")
    text = signed_in.get(reverse("wallet_spending")).content.decode()
    assert "$1.234567" in text
    assert "&lt;b&gt;Likes&lt;/b&gt;" in text
    assert text.count("<svg aria-hidden") == 13
    assert 'width="100%"' in text


def test_spending_page_when_opened_again_then_no_query(signed_in, customer):
    def statements():
        with CaptureQueriesContext(connection) as asked:
            assert signed_in.get(reverse("wallet_spending")).status_code == 200
        return len(asked)

    post(customer, "-1")
    first = statements()
    assert first <= 12
    assert statements() == first - 1
