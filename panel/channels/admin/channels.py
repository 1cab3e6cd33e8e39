"""Channels in the admin: set one up, link its chat, make its secret, and send a test."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from unfold.decorators import action, display

from panel.alerts.advice import TOPICS
from panel.channels.admin.channel_form import CONDITIONS, ChannelForm
from panel.channels.deliveries import retry_now, send_now
from panel.channels.linking import code_for, link_chat
from panel.channels.messages import open_alerts_text, test_delivery
from panel.channels.models import Channel, Delivery
from panel.channels.secrets import renew_secret
from panel.channels.telegram import TelegramError, bot_name
from panel.lib.admin.base import AsksAgain, ModelAdmin
from panel.lib.crypto import Undecryptable, decrypt
from panel.lib.digits import whole_number
from panel.lib.formats import moment_text
from panel.lib.http.calls import host_of
from panel.lib.recent_sign_in import require_recent_sign_in
from panel.site.mail_setup import is_mail_set_up

CHANGE = "channels.change_channel"
# The page on which a new channel begins to work.
_FIRST_STEP = {
    Channel.Kind.MAIL: "send_test",
    Channel.Kind.TELEGRAM: "link_chat",
    Channel.Kind.WEBHOOK: "new_secret",
}
_TOPIC_NAMES = {str(topic): label.partition(":")[0] for topic, label in TOPICS}


@admin.register(Channel)
class ChannelAdmin(AsksAgain, ModelAdmin):
    form = ChannelForm
    is_short = True
    list_display = ("name", "kind", "shown_target", "shown_state", "shown_reached", "shown_topics", "pace")
    actions_detail = ("send_test", "link_chat", "new_secret")
    conditional_fields = CONDITIONS
    change_form_outer_before_template = "admin/channels/channel_state.html"
    list_before_template = "admin/channels/no_channel.html"

    # -- the form --------------------------------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        target = {
            Channel.Kind.MAIL: ("addresses",),
            Channel.Kind.TELEGRAM: ("bot_token",),
            Channel.Kind.WEBHOOK: ("url",),
        }
        where = ("kind", "addresses", "bot_token", "url") if obj is None else ("kind", *target[obj.kind])
        when = ("topics", "pace", "daily_at", "quiet_from", "quiet_until", "quiet_covers_urgent")
        return (None, {"fields": ("name", *where, "is_active")}), ("What it tells, and when", {"fields": when})

    def get_form(self, request: HttpRequest, obj: Model | None = None, **kwargs: Any) -> type[forms.ModelForm]:
        # Fields of the form alone are no columns, so Django must not look for them in the model.
        return super().get_form(request, obj, **{**kwargs, "fields": ChannelForm.Meta.fields})

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        channel = super().save_form(request, form, change)
        form.fill(channel)
        return channel

    def save_model(self, request: HttpRequest, obj: Channel, form: forms.ModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        retry_now(obj)

    @method_decorator(sensitive_post_parameters("bot_token"))
    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return super().changeform_view(request, *args, **kwargs)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        channel = Channel.objects.filter(pk=whole_number(object_id) or 0).first()
        about = {"channel": channel, "next_step": next_step(channel), "deliveries": _last(channel)} if channel else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **about})

    def response_add(self, request: HttpRequest, obj: Channel, post_url_continue: str | None = None) -> HttpResponse:
        """Lead on to what is missing, which is what whoever adds a channel wants to do next."""
        super().response_add(request, obj, post_url_continue)
        return redirect(f"admin:channels_channel_{_FIRST_STEP[Channel.Kind(obj.kind)]}", obj.pk)

    # -- the list --------------------------------------------------------------------------------------

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponse:
        context = {"has_channels": Channel.objects.exists(), **(extra_context or {})}
        return super().changelist_view(request, context)

    @display(description="To")
    def shown_target(self, channel: Channel) -> str:
        return target_text(channel)

    @display(description="State", label={"success": "success", "warning": "warning", "danger": "danger"})
    def shown_state(self, channel: Channel) -> tuple[str, str]:
        word, colour = state_of(channel)
        return colour, word

    @display(description="Last reached", ordering="reached_at")
    def shown_reached(self, channel: Channel) -> str:
        if channel.reached_at is None:
            return "—"
        return f"{moment_text(channel.reached_at)}, {(channel.reached_ms or 0) / 1_000:.1f} s"

    @display(description="About")
    def shown_topics(self, channel: Channel) -> str:
        return ", ".join(_TOPIC_NAMES.get(one, one) for one in channel.topics) or "Everything"

    # -- actions ---------------------------------------------------------------------------------------

    def has_change_channel_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return bool(request.user.has_perm(CHANGE))

    def has_link_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self._is_of_kind(request, object_id, Channel.Kind.TELEGRAM)

    def has_secret_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self._is_of_kind(request, object_id, Channel.Kind.WEBHOOK)

    def _is_of_kind(self, request: HttpRequest, object_id: str | None, kind: str) -> bool:
        pk = whole_number(str(object_id or ""))
        return bool(request.user.has_perm(CHANGE)) and Channel.objects.filter(pk=pk or 0, kind=kind).exists()

    @action(description="Send a test", icon="send", permissions=["change_channel"])
    def send_test(self, request: HttpRequest, object_id: str) -> HttpResponse:
        channel = self._channel(request, object_id)
        if request.method == "POST":
            test = test_delivery(channel)
            test.save()
            test = send_now(test)
            if test.state == Delivery.State.DELIVERED:
                retry_now(channel)
                messages.success(request, f"The test was {test.log[-1]['text']}. Look whether it has reached you.")
            else:
                said = test.log[-1]["text"] if test.log else "another process is sending it"
                messages.error(request, f"The test was not delivered: {said}")
            return redirect("admin:channels_channel_change", channel.pk)
        return self._page(
            request, channel, "Send a test", "admin/channels/send_test.html", {"open_alerts": open_alerts_text()}
        )

    @method_decorator(sensitive_variables("token"))
    @action(description="Link a chat", icon="link", permissions=["link"])
    def link_chat(self, request: HttpRequest, object_id: str) -> HttpResponse:
        channel = self._channel(request, object_id)
        refusal, bot = "", ""
        try:
            if request.method == "POST":
                chat = link_chat(channel=channel, code=request.POST.get("code", ""))
                if chat:
                    self.log_change(request, channel, f"Linked the chat “{chat.title}”.")
                    messages.success(request, f"The chat “{chat.title}” is linked. Send a test to see that it works.")
                    retry_now(channel)
                    return redirect("admin:channels_channel_change", channel.pk)
                refusal = "Nobody has sent the code to the bot yet. Send it, and look again."
            bot = bot_name(decrypt(channel.secret_encrypted))
        except TelegramError as error:
            refusal = f"Telegram says: {error}"
        except Undecryptable as error:
            refusal = str(error)
        more = {"refusal": refusal, "bot": bot, "code": code_for(channel)}
        return self._page(request, channel, "Link a chat", "admin/channels/link_chat.html", more)

    @method_decorator(sensitive_variables("secret"))
    @action(description="Make a secret", icon="key", permissions=["secret"])
    def new_secret(self, request: HttpRequest, object_id: str) -> HttpResponse:
        channel = self._channel(request, object_id)
        seen, secret, refusal = _seen(channel), "", ""
        if request.method == "POST":
            # A second click would replace the secret that the first one showed.
            secret = renew_secret(channel=channel) if request.POST.get("seen") == seen else ""
            refusal = (
                "" if secret else "The secret was changed since you opened this page. Nothing was done; look again."
            )
            if secret:
                self.log_change(request, channel, "Made a new secret.")
        more = {"secret": secret, "seen": seen, "refusal": refusal}
        return self._page(request, channel, "Make a secret", "admin/channels/new_secret.html", more)

    def _channel(self, request: HttpRequest, object_id: str) -> Channel:
        if not request.user.has_perm(CHANGE):
            raise PermissionDenied
        require_recent_sign_in(request)
        return get_object_or_404(Channel, pk=whole_number(object_id) or 0)

    def _page(
        self, request: HttpRequest, channel: Channel, title: str, template: str, more: Mapping[str, object]
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "channel": channel,
            "target": target_text(channel),
            "back": reverse("admin:channels_channel_change", args=[channel.pk]),
            **more,
        }
        return TemplateResponse(request, template, context)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Let a channel be deleted with its messages, which nobody deletes by themselves."""
        found, counts, _, protected = super().get_deleted_objects(objs, request)
        return found, counts, set(), protected


def target_text(channel: Channel) -> str:
    """Return where messages go, as far as it may be shown: a webhook's path may be a secret."""
    if channel.kind == Channel.Kind.TELEGRAM:
        return f"chat {channel.target}" if channel.target else "no chat yet"
    if channel.kind == Channel.Kind.WEBHOOK:
        return host_of(channel.target)
    return channel.target


def state_of(channel: Channel) -> tuple[str, str]:
    """Return the word for how the channel stands, and its colour."""
    if not channel.is_active:
        return "Switched off", "quiet"
    if next_step(channel):
        return "Not set up", "warning"
    if channel.failing_since:
        return f"Fails since {moment_text(channel.failing_since)}", "danger"
    return ("Reaches you", "success") if channel.reached_at else ("Never tried", "warning")


def next_step(channel: Channel) -> str:
    """Return what is missing before the channel works, as a sentence; "" if nothing is."""
    if channel.kind == Channel.Kind.TELEGRAM and not channel.target:
        return "No chat is linked yet: press “Link a chat”."
    if channel.kind == Channel.Kind.WEBHOOK and not channel.secret_encrypted:
        return "It has no secret yet: press “Make a secret”, and give it to the receiver."
    if channel.kind == Channel.Kind.MAIL and not is_mail_set_up():
        return "The panel has no mail server yet: mails are printed in the log. Set EMAIL_URL."
    return ""


def _last(channel: Channel) -> list[Delivery]:
    return list(Delivery.objects.filter(channel=channel)[:5])


def _seen(channel: Channel) -> str:
    return hashlib.sha256(channel.secret_encrypted.encode()).hexdigest()[:16]
