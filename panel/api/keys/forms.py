"""The form of an API key: its name and its limits."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django import forms
from django.conf import settings
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from billing.forms import INVISIBLE, MoneyField
from panel.accounts.models import ApiKey
from panel.api.keys.services import BadNetwork, read_networks
from panel.lib.money import SYMBOLS, format_plain


class KeyForm(forms.Form):
    """The name and the limits; `networks` is a list of texts, `daily_limit` micro-units or None."""

    name = forms.CharField(
        label=_("Name"),
        max_length=60,
        help_text=_("What will use it, such as “My shop”."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={
            **INVISIBLE,
            "required": _("Give the key a name, so that you know later what uses it."),
            "max_length": _("Use at most 60 characters."),
        },
    )
    is_read_only = forms.BooleanField(
        label=_("Read only"),
        required=False,
        help_text=_("It sees services, orders and your balance, and cannot order, cancel or ask for refills."),
    )
    networks = forms.CharField(
        label=_("Where it may be used from"),
        required=False,
        max_length=4_000,
        help_text=_(
            "The addresses of your servers, one a line: 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32. Empty: from anywhere."
        ),
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "autocomplete": "off"}),
        error_messages={**INVISIBLE, "max_length": _("This is too long: use networks in place of single addresses.")},
    )
    daily_limit = MoneyField(required=False, error_messages=INVISIBLE)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        limit = self.fields["daily_limit"]
        currency = SYMBOLS.get(settings.PANEL_CURRENCY, settings.PANEL_CURRENCY)
        limit.label = gettext("Daily limit in %(currency)s") % {"currency": currency}
        limit.help_text = gettext(
            "The most that orders with this key may cost a day, from midnight to midnight (%(zone)s). "
            "Empty: all that is in your wallet."
        ) % {"zone": settings.TIME_ZONE}

    def clean_name(self) -> str:
        """Return the name on one line: it appears in mails and lists."""
        return " ".join(self.cleaned_data["name"].split())

    def clean_networks(self) -> list[str]:
        try:
            return read_networks(self.cleaned_data["networks"])
        except BadNetwork as error:
            raise forms.ValidationError(str(error)) from error

    def clean_daily_limit(self) -> int | None:
        limit: int | None = self.cleaned_data["daily_limit"]
        if limit is not None and limit <= 0:
            raise forms.ValidationError(
                gettext("Enter an amount above zero, or leave it empty. To end a key, revoke it.")
            )
        return limit

    def full_clean(self) -> None:
        """Validate, and put the focus on the first field with an error."""
        super().full_clean()
        wrong = next((field for field in self.visible_fields() if field.name in self.errors), None)
        if wrong:
            wrong.field.widget.attrs["autofocus"] = True


class NewKeyForm(KeyForm):
    """Creates one key, however often it is sent."""

    request_key = forms.RegexField(r"\A[0-9a-f]{32}\Z", widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.setdefault("request_key", uuid4().hex)


def values_of(key: ApiKey) -> dict[str, object]:
    """Return the initial values of the form for an existing key."""
    return {
        "name": key.name,
        "is_read_only": key.is_read_only,
        "networks": "\n".join(key.addresses),
        "daily_limit": "" if key.daily_limit is None else format_plain(key.daily_limit),
    }
