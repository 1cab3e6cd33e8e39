"""Display of values: rounding, missing values, hostile text, and what form fields expose to screen readers."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django import forms
from django.conf import settings
from django.template import Context, Template
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from billing.states import DEPOSIT_BADGES
from catalog.shop.changelog import NEWS_BADGES
from orders.states import DRIP_BADGES, REFILL_BADGES, STATUS_BADGES
from panel.lib.templatetags import display

HOSTILE = '"><script>alert(1)</script>'
TEMPLATES = [path for path in (Path(settings.BASE_DIR) / "templates").rglob("*.html") if "admin" not in path.parts]


def render(source: str, **context: Any) -> str:
    return Template("{% load display %}" + source).render(Context(context))


@pytest.mark.parametrize(
    ("micros", "exact", "shown"),
    [
        (2_350_000, "$2.35", "$2.35"),
        (2_345_678, "$2.345678", "$2.35"),
        (2_680, "$0.00268", "$0.0027"),
        (-410_000, "−$0.41", "−$0.41"),
        (0, "$0.00", "$0.00"),
    ],
)
def test_money_when_shown_then_rounded_with_the_exact_amount_where_it_differs(
    micros: int, exact: str, shown: str
) -> None:
    title = f' title="{exact}"' if exact != shown else ""
    assert display.money(micros) == f'<bdi class="money"{title}>{shown}</bdi>'
    assert display.money_text(micros) == shown


def test_money_up_when_it_is_to_be_paid_then_not_less_than_it_is() -> None:
    assert display.money_up(4_870_001) == '<bdi class="money" title="$4.870001">$4.88</bdi>'
    assert display.money_up_text(2_610) == "$0.0027"
    assert render("{{ quote.charge|money_up }}{{ quote.charge|money_up_text }}", quote=None).count("—") == 2


def test_money_when_lazy_or_missing_then_still_shown() -> None:
    assert display.money_text(SimpleLazyObject(lambda: 2_350_000)) == "$2.35"
    assert render("{{ quote.charge|money_text }}{{ quote.quantity|number }}", quote=None) == "——"
    assert "—" in render("{{ quote.charge|money }}{{ quote.charge|signed_money }}", quote=None)


def test_signed_money_when_in_or_out_then_it_has_its_sign() -> None:
    assert ">+$5.00<" in display.signed_money(5_000_000)
    assert "is-in" in display.signed_money(5_000_000)
    assert ">−$0.41<" in display.signed_money(-410_000)
    assert "is-in" not in display.signed_money(-410_000)
    assert 'title="+$5.001">+$5.00<' in display.signed_money(5_001_000)


def test_number_when_large_then_thousands_are_separated() -> None:
    assert display.number(1_234_567) == "1,234,567"
    assert display.number(0) == "0"
    assert display.number(None) == "—"


@pytest.mark.parametrize(
    ("distance", "words"),
    [
        (timedelta(seconds=10), "just now"),
        (timedelta(seconds=50), "1 min ago"),
        (timedelta(minutes=5), "5 min ago"),
        (timedelta(hours=3), "3 h ago"),
        (timedelta(days=1), "1 day ago"),
        (timedelta(days=3), "3 days ago"),
        (timedelta(minutes=-5, seconds=-1), "in 5 min"),
    ],
)
@pytest.mark.usefixtures("frozen_clock")
def test_ago_when_recent_then_the_distance(distance: timedelta, words: str) -> None:
    shown = display.ago(timezone.now() - distance)
    assert shown.endswith(f">{words}</time>")
    assert 'datetime="' in shown
    assert 'title="' in shown


def test_ago_when_years_past_then_the_date_with_its_year() -> None:
    assert display.ago(timezone.now().replace(year=2020, month=2, day=3)).endswith(">3 Feb 2020</time>")
    assert "—" in display.ago(None)


def test_when_when_recent_then_the_moment_and_the_distance(frozen_clock) -> None:
    now = timezone.now()
    shown = display.when(now - timedelta(minutes=3))
    moment = f"{now - timedelta(minutes=3):%-d %b, %H:%M}"
    assert f'<bdi>{moment}</bdi> · <span class="ago">3 min ago</span></time>' in shown
    assert f'title="{moment[:-7]}' in shown
    assert "—" in display.when(None)


def test_when_when_a_week_or_a_year_past_then_the_moment_alone(frozen_clock) -> None:
    assert "ago" not in display.when(timezone.now() - timedelta(days=7))
    assert "<bdi>3 Feb 2020, " in display.when(timezone.now().replace(year=2020, month=2, day=3))


def test_middle_when_long_then_both_ends_and_the_whole_on_hover() -> None:
    link = "https://example.com/" + "a" * 100 + "/end"
    shown = re.sub(r"<[^>]+>", "", display.middle(link, 40))
    assert len(shown) == 40
    assert shown.startswith("example.com/")
    assert shown.endswith("/end")
    assert f'title="{link}"' in display.middle(link, 40)


def test_middle_when_short_then_only_the_scheme_is_removed() -> None:
    assert ">example.com/p/1<" in display.middle("https://example.com/p/1")
    assert ">http://example.com<" in display.middle("http://example.com")


@pytest.mark.parametrize(
    ("link", "clickable"),
    [
        ("https://example.com/p", True),
        ("http://example.com", True),
        ("javascript:alert(1)", False),
        ("JAVASCRIPT:alert(1)", False),
        ("data:text/html,x", False),
        ("https:", False),
        ("//example.com", False),
        ("@name", False),
        ("http://[broken", False),
    ],
)
def test_is_web_link_when_not_http_then_never_clickable(link: str, clickable: bool) -> None:
    assert display.is_web_link(link) is clickable


@pytest.mark.parametrize(
    "source",
    ["{{ text|middle:200 }}", "{% icon text %}", "{{ text }}"],
)
def test_tags_when_given_markup_then_escaped(source: str) -> None:
    assert "<script" not in render(source, text=HOSTILE)


class ExampleForm(forms.Form):
    link = forms.CharField(
        label="Link", help_text=HOSTILE, widget=forms.TextInput(attrs={"class": "own", "placeholder": "https://"})
    )
    agreed = forms.BooleanField(label="Agreed", required=False)
    service = forms.ChoiceField(label="Service", choices=[("1", HOSTILE)])
    note = forms.CharField(label="Note", required=False)


def test_form_field_when_invalid_then_linked_to_error_and_help() -> None:
    form = ExampleForm({"link": ""})
    shown = render("{% form_field form.link %}", form=form)
    assert 'aria-invalid="true"' in shown
    assert 'aria-describedby="id_link_helptext id_link_error"' in shown
    assert 'id="id_link_error"' in shown
    assert 'id="id_link_helptext"' in shown
    assert 'class="form-control own is-invalid"' in shown
    assert "<script" not in shown


def test_form_field_when_of_each_kind_then_it_has_its_classes() -> None:
    form = ExampleForm()
    assert "form-check-input" in render("{% form_field form.agreed %}", form=form)
    choice = render("{% form_field form.service %}", form=form)
    assert "form-select" in choice
    assert "<script" not in choice
    assert "(optional)" in render("{% form_field form.note %}", form=form)
    assert "(optional)" not in render("{% form_field form.link %}", form=form)


def test_form_field_when_placeholder_is_off_then_removed() -> None:
    form = ExampleForm()
    assert "placeholder" in render("{% form_field form.link %}", form=form)
    assert "placeholder" not in render("{% form_field form.link placeholder=False %}", form=form)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_template_when_read_then_it_keeps_the_content_policy(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"\son[a-z]+\s*=|hx-on|javascript:", text)
    # Programs that show mails read no style sheet, and have no content policy.
    assert path.parent.name == "mail" or not re.search(r"\sstyle\s*=|<style", text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))
    assert "|safe" not in text
    assert not re.search(r'(?:src|href)="(?:https?:)?//', text)


def test_icons_when_used_then_in_the_sprite_and_no_others() -> None:
    text = "".join(path.read_text() for path in TEMPLATES)
    used = set(re.findall(r'{% icon "([a-z0-9-]+)" %}', text))
    used |= set(re.findall(r'{% nav_link "\w+" "([a-z0-9-]+)"', text))
    used |= set(re.findall(r'short_picture="([a-z0-9-]+)"', text))
    looks = (STATUS_BADGES, REFILL_BADGES, DRIP_BADGES, DEPOSIT_BADGES, NEWS_BADGES)
    used |= {picture for those in looks for _, picture in those.values()}
    sprite = (Path(settings.BASE_DIR) / "panel" / "static" / "icons.svg").read_text()
    assert set(re.findall(r'<symbol id="([a-z0-9-]+)"', sprite)) == used


class EntranceForm(forms.Form):
    email = forms.EmailField()
    password = forms.CharField(widget=forms.PasswordInput)
    remember = forms.BooleanField(required=False)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (None, "email"),
        ({"email": "nonsense", "password": "x"}, "email"),
        # Browsers get no password back, so it is to be typed again.
        ({"email": "alice@example.org", "password": "wrong"}, "password"),
    ],
)
def test_first_to_fill_when_a_form_is_shown_then_what_is_wrong_or_empty(data: Any, name: str) -> None:
    assert display.first_to_fill(EntranceForm(data)) == name
    html = render("{% include 'forms/fields.html' with focus=True %}", form=EntranceForm(data))
    assert re.findall(r'<input[^>]*name="(\w+)"[^>]*autofocus', html) == [name]
    assert "autofocus" not in render("{% include 'forms/fields.html' with focus=False %}", form=EntranceForm(data))
