"""What customers see of levels: on their account's page, in the news and in mails that they chose."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail
from django.urls import reverse

from catalog.models import CustomerGroup
from panel.levels.move import move_customers
from panel.levels.standing import level_standing_of
from panel.news.choices import choose_mails
from panel.news.collect import collect_news
from panel.news.models import NewsItem, NewsProgress
from panel.news.words import line_of
from tests import make
from tests.panel.levels.conftest import put, set_terms, spend, spent_past

pytestmark = pytest.mark.django_db


def page(client: Any) -> str:
    return " ".join(client.get(reverse("account")).content.decode().split())


def shown(client: Any) -> str:
    """Return the section about levels, without tags that isolate texts."""
    text = page(client)
    start = text.index('<section class="level"')
    return text[start : text.index("</section>", start)].replace("<bdi>", "").replace("</bdi>", "")


# -- the account's page ------------------------------------------------------------------------------------


def test_home_when_there_are_no_levels_then_nothing_of_them(signed_in, customer):
    spend(customer, "500")
    put(customer, CustomerGroup.objects.create(name="Friends", discount_bp=500))
    text = page(signed_in)
    assert level_standing_of(customer=customer) is None and "5% <small>off list prices" in text
    assert "level" not in text.lower()
    assert "level" not in signed_in.get(reverse("news_choices")).content.decode().lower()


def test_home_when_no_level_is_reached_then_how_far_the_first_is(signed_in, customer, levels):
    spend(customer, "12.40")
    text = shown(signed_in)
    assert "You have no level yet" in text and "87.60</bdi> more to Bronze: 1% lower prices." in text.replace(
        "$87.60", "87.60</bdi>"
    )
    assert '<progress value="12" max="100" aria-labelledby="level-next">' in text


def test_home_when_a_level_is_reached_then_what_it_gives_and_the_next(signed_in, customer, levels):
    spend(customer, "512.40")
    assert "You have reached Silver: in a few minutes you have 3% lower prices." in shown(signed_in)
    move_customers()
    text = shown(signed_in)
    assert "Your level: Silver" in text and "You pay 3% less than the list prices." in text
    assert "more to Gold: 5% lower prices." in text and '<progress value="25"' in text
    assert "Your discount" not in page(signed_in)


def test_home_when_orders_run_then_they_are_said_to_count_later(signed_in, customer, levels, service):
    make.order(customer, service, quantity=1_000)
    text = shown(signed_in)
    assert "counts: $0.00" in text.replace('<bdi class="money">', "") and "counts once they have ended" in text


def test_home_when_a_period_is_set_then_it_is_named(client, levels):
    set_terms(period_days=30)
    customer = make.customer()
    spent_past(customer, (90, "700"), (3, "40"))
    client.force_login(customer)
    text = shown(client)
    assert "What you spent in the last 30 days counts:" in text and "40.00" in text and '<progress value="40"' in text


def test_home_when_the_highest_is_reached_then_no_next(signed_in, customer, levels):
    spend(customer, "2000")
    move_customers()
    text = shown(signed_in)
    assert "Your level: Gold" in text and "<progress" not in text


def test_home_when_placed_by_hand_then_the_level_without_a_next(signed_in, customer, levels):
    spend(customer, "5")
    member = put(customer, levels["Silver"])
    assert "Your level: Silver" in shown(signed_in) and "<progress" not in shown(signed_in)
    member.group = levels["Friends"]
    member.save()
    assert "Friends" not in page(signed_in) and '<section class="level"' not in page(signed_in)


def test_level_when_its_name_is_markup_then_it_is_text(signed_in, customer, levels):
    CustomerGroup.objects.filter(name="Bronze").update(name="<b>Bronze</b>")
    assert "&lt;b&gt;Bronze&lt;/b&gt;" in shown(signed_in)


# -- news ------------------------------------------------------------------------------------------------


@pytest.fixture
def moved(customer: Any, levels: Any) -> Any:
    """A customer who chose mails about levels at once, and reached one since news are collected."""
    NewsProgress.objects.all().delete()
    collect_news()
    choose_mails(customer=customer, paces={"level_up": "at_once"})
    spend(customer, "500")
    move_customers()
    return customer


def test_news_when_a_level_is_reached_then_one_item_that_leads_home(moved, signed_in):
    assert [collect_news(), collect_news()] == [1, 0]
    line = line_of(NewsItem.objects.get())
    assert line.text == "You reached the level Silver: what you order now costs 3% less than the list price."
    assert line.path == reverse("account")
    assert "You reached the level <bdi>Silver</bdi>" in signed_in.get(reverse("news")).content.decode()


def test_news_when_moved_down_then_none(moved, levels):
    collect_news()
    set_terms(moves_down=True)
    CustomerGroup.objects.filter(name="Silver").update(level_from=600_000_000)
    assert move_customers() == 1 and collect_news() == 0


@pytest.mark.parametrize(("pace", "is_mailed"), [("never", False), ("at_once", True), ("daily", True)])
def test_mail_when_it_was_chosen_then_planned(moved, pace, is_mailed):
    choose_mails(customer=moved, paces={"level_up": pace})
    collect_news()
    assert (NewsItem.objects.get().mail_at is not None) is is_mailed and not mail.outbox


def test_mails_when_there_are_levels_then_they_can_be_chosen(signed_in, levels):
    assert "Levels that you reach" in signed_in.get(reverse("news_choices")).content.decode()
