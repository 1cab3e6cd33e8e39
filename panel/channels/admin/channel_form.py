"""The form of a channel."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from unfold.widgets import UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from panel.alerts.advice import TOPICS
from panel.channels.mail import split_addresses
from panel.channels.models import Channel
from panel.channels.telegram import TOKEN
from panel.lib.crypto import encrypt
from panel.lib.http.calls import host_of

MAX_ADDRESSES = 10
# Fields of one kind alone, as the admin shows and hides them.
CONDITIONS = {
    "addresses": "kind == 'mail'",
    "bot_token": "kind == 'telegram'",
    "url": "kind == 'webhook'",
    "daily_at": "pace == 'daily'",
}
KIND_OF = {"addresses": Channel.Kind.MAIL, "bot_token": Channel.Kind.TELEGRAM, "url": Channel.Kind.WEBHOOK}


class ChannelForm(forms.ModelForm):
    """Name, target, and what is told when. The kind stays as it was chosen."""

    addresses = forms.CharField(
        label="Addresses",
        required=False,
        max_length=1_000,
        help_text="One or more, with a comma between them.",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "inputmode": "email"}),
    )
    bot_token = forms.CharField(
        label="Bot token",
        required=False,
        max_length=200,
        help_text="In Telegram, write to @BotFather, send /newbot, and paste here the token that it gives you.",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    url = forms.CharField(
        label="Address",
        required=False,
        max_length=500,
        help_text="It gets a signed POST with JSON for each event (Standard Webhooks).",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "inputmode": "url"}),
    )
    topics = forms.MultipleChoiceField(
        label="About",
        required=False,
        choices=[(str(topic), label) for topic, label in TOPICS],
        widget=forms.CheckboxSelectMultiple,
        help_text="Nothing chosen means everything.",
    )

    class Meta:
        model = Channel
        fields = (
            *("name", "kind", "is_active", "pace", "daily_at", "quiet_from", "quiet_until", "quiet_covers_urgent"),
        )
        labels = {
            "is_active": "In use",
            "pace": "What is not urgent",
            "daily_at": "At",
            "quiet_from": "Quiet from",
            "quiet_until": "Quiet until",
            "quiet_covers_urgent": "Urgent alerts wait, too",
        }
        help_texts = {
            "pace": "Urgent alerts are told at once.",
            "daily_at": f"By the panel's clock: {settings.TIME_ZONE}.",
            "quiet_until": "What comes in between is told then. Empty: never quiet.",
        }
        widgets = {"is_active": UnfoldBooleanSwitchWidget, "quiet_covers_urgent": UnfoldBooleanSwitchWidget}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        channel = self.instance
        if channel.pk:
            self.fields["kind"].disabled = True
            for name, kind in KIND_OF.items():
                if kind != channel.kind:
                    self.fields.pop(name, None)
            self.initial["addresses"] = self.initial["url"] = channel.target
            self.initial["topics"] = channel.topics
            if "bot_token" in self.fields:
                self.fields["bot_token"].help_text = "Leave it empty to keep the token. Another bot has to be linked."

    def clean_addresses(self) -> str:
        found = split_addresses(self.cleaned_data["addresses"])
        if len(found) > MAX_ADDRESSES:
            raise ValidationError(f"At most {MAX_ADDRESSES} addresses.")
        for one in found:
            try:
                validate_email(one)
            except ValidationError:
                raise ValidationError(f"“{one}” is no e-mail address.") from None
        return ", ".join(found)

    def clean_bot_token(self) -> str:
        token = self.cleaned_data["bot_token"].strip()
        if token and not TOKEN.fullmatch(token):
            raise ValidationError("A token looks like 123456789:AAF…: digits, a colon, and 35 letters or so.")
        return token

    def clean_url(self) -> str:
        url = self.cleaned_data["url"].strip()
        schemes = ("https://", "http://") if settings.UPSTREAM_ALLOW_PRIVATE else ("https://",)
        if url and (not url.lower().startswith(schemes) or not host_of(url) or any(one.isspace() for one in url)):
            raise ValidationError("Enter an address that begins with https://.")
        if "@" in host_of(url):
            raise ValidationError("The address must not hold a name and password.")
        return url

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        kind = self.instance.kind if self.instance.pk else data.get("kind")
        needed = next((name for name, one in KIND_OF.items() if one == kind), None)
        keeps_token = needed == "bot_token" and self.instance.secret_encrypted
        if needed and not data.get(needed) and not self.has_error(needed) and not keeps_token:
            self.add_error(needed, "This is needed to reach you.")
        quiet = (data.get("quiet_from"), data.get("quiet_until"))
        if (quiet[0] is None) != (quiet[1] is None):
            self.add_error("quiet_until" if quiet[1] is None else "quiet_from", "Give both times, or neither.")
        return data

    def fill(self, channel: Channel) -> list[str]:
        """Set target, secret and topics of the channel as the form says. Return the columns set."""
        data = self.cleaned_data
        channel.topics = data["topics"]
        columns = ["topics"]
        if channel.kind != Channel.Kind.TELEGRAM:
            channel.target = data["addresses" if channel.kind == Channel.Kind.MAIL else "url"]
            columns.append("target")
        elif token := data.get("bot_token"):
            channel.secret_encrypted, channel.target = encrypt(token), ""
            columns += ["secret_encrypted", "target"]
        return columns
