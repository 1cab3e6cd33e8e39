"""Template filters and tags for money, numbers, times, links, badges, icons and form fields.

Names, links and notes come from customers and providers: everything is escaped, and only markup built by
`format_html` is safe.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from django import forms, template
from django.conf import settings
from django.forms.boundfield import BoundField
from django.template import Context
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from panel.lib import formats
from panel.lib.money import format_money, format_money_up

register = template.Library()

NOTHING = "—"
# From then on a date says more than a distance.
A_WEEK = timedelta(days=7)
MISSING = (None, "")  # templates pass "" for a value that does not exist

WIDGET_CLASSES: tuple[tuple[type[forms.Widget], str], ...] = (
    (forms.CheckboxInput, "form-check-input"),
    (forms.RadioSelect, "form-check-input"),
    (forms.Select, "form-select"),
    (forms.Widget, "form-control"),
)


# -- money and numbers -----------------------------------------------------------------------------


def _micros(value: Any) -> int:
    return int(value + 0)  # the addition also resolves the lazy balance of the context


def _amount(shown: str, exact: str, look: str = "money") -> SafeString:
    """Return an amount; where it was rounded, with the exact one on hover and on a tap (static/js/live.js)."""
    if shown == exact:
        return format_html('<bdi class="{}">{}</bdi>', look, shown)
    return format_html('<bdi class="{}" title="{}">{}</bdi>', look, exact, shown)


@register.filter
def money_text(value: object) -> str:
    """Return plain text of micro-units: "$2.35"."""
    return NOTHING if value in MISSING else format_money(_micros(value), settings.PANEL_CURRENCY)


@register.filter
def money(value: object) -> SafeString:
    """Return micro-units rounded for people."""
    return _amount(money_text(value), exact_text(value))


@register.filter
def money_up_text(value: object) -> str:
    """Return plain text of micro-units that are to be paid or are missing: rounded up to what is shown."""
    return NOTHING if value in MISSING else format_money_up(_micros(value), settings.PANEL_CURRENCY)


@register.filter
def money_up(value: object) -> SafeString:
    """Return micro-units that are to be paid or are missing: rounded up to what is shown."""
    return _amount(money_up_text(value), exact_text(value))


@register.filter
def exact_text(value: object) -> str:
    """Return exact plain text of micro-units, "$4.875", for owners and for documents."""
    return NOTHING if value in MISSING else format_money(_micros(value), settings.PANEL_CURRENCY, exact=True)


@register.filter
def exact_money(value: object) -> SafeString:
    """Return micro-units with every decimal place."""
    return _amount(exact_text(value), exact_text(value))


@register.filter
def signed_money(value: object) -> SafeString:
    """Return a movement of money: "+$5.00" in, "−$0.41" out."""
    return money(None) if value in MISSING else _signed(_micros(value), money_text(value))


@register.filter
def exact_signed_money(value: object) -> SafeString:
    """Return a movement of money with every decimal place, for documents."""
    return money(None) if value in MISSING else _signed(_micros(value), exact_text(value))


def _signed(micros: int, shown: str) -> SafeString:
    sign, look = ("+", "money is-in") if micros > 0 else ("", "money")
    return _amount(f"{sign}{shown}", f"{sign}{exact_text(micros)}", look)


@register.filter
def absolute(value: object) -> int:
    """Return an amount without its sign."""
    return abs(_micros(value))


@register.filter
def percent(basis_points: int) -> str:
    """Return basis points as "5%", "2.5%"."""
    return formats.percent_text(basis_points)


@register.filter
def number(value: object) -> str:
    """Return a whole number with thousands separators: "1,234"."""
    return NOTHING if value in MISSING else f"{value:,}"


# -- times, links ----------------------------------------------------------------------------------

register.filter("day", formats.day_text)
register.filter("zoned_moment", formats.zoned_moment_text)
register.filter("exact_moment", formats.exact_moment_text)
register.filter("near_moment", formats.near_moment_text)


@register.filter
def ago(value: datetime | None) -> SafeString:
    """Return a moment as "5 min ago", with the exact time on hover."""
    if not value:
        return format_html("<span>{}</span>", NOTHING)
    local = timezone.localtime(value)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        local.isoformat(timespec="seconds"),
        formats.exact_moment_text(local),
        _distance(local, timezone.localtime()),
    )


@register.filter
def when(value: datetime | None) -> SafeString:
    """Return a moment as "28 Nov, 22:05 · 3 min ago"; from a week on without the distance."""
    if not value:
        return format_html("<span>{}</span>", NOTHING)
    local, now = timezone.localtime(value), timezone.localtime()
    is_near = abs(now - local) < A_WEEK
    return format_html(
        '<time class="when" datetime="{}" title="{}"><bdi>{}</bdi>{}</time>',
        local.isoformat(timespec="seconds"),
        formats.exact_moment_text(local),
        formats.short_moment_text(local),
        format_html(' · <span class="ago">{}</span>', _distance(local, now)) if is_near else "",
    )


@register.simple_tag
def reader_zone() -> str:
    """Return the time zone in which this page shows times: "Istanbul"."""
    return formats.zone_text(timezone.get_current_timezone_name())


def _distance(moment: datetime, now: datetime) -> str:
    distance = abs(now - moment)
    if distance < timedelta(seconds=45):
        return _("just now")
    if distance >= A_WEEK:
        return f"{moment:%-d %b}" if moment.year == now.year else formats.day_text(moment)
    is_ahead = moment > now
    if distance < timedelta(hours=1):
        count = max(1, round(distance / timedelta(minutes=1)))
        text = _("in %(count)s min") if is_ahead else _("%(count)s min ago")
    elif distance < timedelta(days=1):
        count = round(distance / timedelta(hours=1))
        text = _("in %(count)s h") if is_ahead else _("%(count)s h ago")
    else:
        count = round(distance / timedelta(days=1))
        ahead = ngettext("in %(count)s day", "in %(count)s days", count)
        text = ahead if is_ahead else ngettext("%(count)s day ago", "%(count)s days ago", count)
    return text % {"count": count}


@register.filter
def duration(seconds: int | None) -> str:
    """Return a duration in one unit, as people say it after "about": "12 min", "3 h", "2 days"."""
    if seconds is None:
        return NOTHING
    if seconds < 90 * 60:
        return _("%(count)s min") % {"count": max(1, round(seconds / 60))}
    if seconds < 36 * 3600:
        return _("%(count)s h") % {"count": round(seconds / 3600)}
    days = round(seconds / 86400)
    return ngettext("%(count)s day", "%(count)s days", days) % {"count": days}


@register.filter
def minutes(value: int) -> str:
    """Return an exact duration: "45 min", "1 day 2 h"."""
    hours, rest = divmod(value, 60)
    days, hours = divmod(hours, 24)
    parts = [
        (days, ngettext("%(count)s day", "%(count)s days", days)),
        (hours, _("%(count)s h")),
        (rest, _("%(count)s min")),
    ]
    return " ".join(text % {"count": f"{count:,}"} for count, text in parts if count)


@register.filter
def middle(value: str, length: int = 40) -> SafeString:
    """Return a link without "https://", shortened in the middle, with the whole link on hover."""
    shown = value.removeprefix("https://")
    if len(shown) > length:
        head = (length - 1) * 2 // 3
        shown = f"{shown[:head]}…{shown[len(shown) - (length - 1 - head) :]}"
    return format_html('<span class="link-text" title="{}">{}</span>', value, shown)


@register.filter
def is_web_link(value: str) -> bool:
    """Return True if a customer's text may become a link to click: http or https only."""
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


# -- the page --------------------------------------------------------------------------------------


def badge(look: tuple[str, str] | None, word: str) -> SafeString:
    """Return `word` with its colour and icon; `look` is that pair, None for the default."""
    meaning, picture = look or ("neutral", "clock")
    return format_html('<span class="status is-{}">{}{}</span>', meaning, icon(picture), word)


@register.simple_tag
@lru_cache(maxsize=128)  # a list of services shows thousands
def icon(name: str) -> SafeString:
    """Return an icon of static/icons.svg. Decorative only: the text beside it says the same."""
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        static("icons.svg"),
        name,
    )


@register.simple_tag(takes_context=True)
def page_url(context: Context, place: tuple[str, str]) -> str:
    """Return this page's address at another place of its list: see `panel.lib.keyset_pagination`."""
    query = context["request"].GET.copy()
    for name in ("before", "after", "page"):
        query.pop(name, None)
    query[place[0]] = place[1]
    return f"?{query.urlencode()}"


@register.inclusion_tag("_nav_link.html", takes_context=True)
def nav_link(
    context: Context, name: str, picture: str, label: str, *also: str, short: str = "", short_picture: str = ""
) -> dict[str, object]:
    """Return the context of a main navigation link, with another label and icon on phones if given.

    `also` lists patterns of further URL names that belong to it.
    """
    match = getattr(context.get("request"), "resolver_match", None)
    here = (match and match.url_name) or ""
    return {
        "url": reverse(name),
        "picture": picture,
        "label": label,
        "short": short or label,
        "short_picture": short_picture,
        "is_current": any(fnmatchcase(here, pattern) for pattern in (name, *also)),
    }


@register.filter
def first_to_fill(form: forms.BaseForm) -> str:
    """Return the name of the first visible field that is wrong or that shows no value; "" if there is none."""
    for field in form.visible_fields():
        is_empty = isinstance(field.field.widget, forms.PasswordInput) or not field.value()
        if field.errors or (is_empty and not isinstance(field.field.widget, forms.CheckboxInput)):
            return field.name
    return ""


@register.inclusion_tag("forms/field.html")
def form_field(
    field: BoundField, *, placeholder: bool = True, optional: bool = True, focus: bool = False
) -> dict[str, object]:
    """Return the context of a field with label, help and errors; the widget refers to both for screen readers.

    `placeholder=False` drops the widget's placeholder, for one that only repeats the label. `optional=False` does
    not mark the field as optional, for forms in which every field is. `focus` puts the cursor into it.
    """
    is_check = isinstance(field.field.widget, forms.CheckboxInput)
    return {
        "field": field,
        "widget": field_widget(field, placeholder=placeholder, focus=focus),
        "is_check": is_check,
        "is_password": isinstance(field.field.widget, forms.PasswordInput),
        "is_new_password": field.name == "password1",
        "is_optional": optional and not field.field.required and not is_check,
    }


@register.simple_tag
def field_widget(field: BoundField, *, placeholder: bool = True, focus: bool = False) -> SafeString:
    """Return the widget of a field in the look of the pages, for templates that lay out the rest themselves."""
    widget = field.field.widget
    look = next(name for kind, name in WIDGET_CLASSES if isinstance(widget, kind))
    own = widget.attrs.get("class", "")
    invalid = "is-invalid" if field.errors else ""
    attrs: dict[str, str | bool] = {"class": " ".join(part for part in (look, own, invalid) if part)}
    if not placeholder:
        attrs["placeholder"] = False
    if focus:
        attrs["autofocus"] = True
    if widget.attrs.get("autocomplete") == "one-time-code":
        attrs["inputmode"] = "numeric"
    return field.as_widget(attrs=attrs)
