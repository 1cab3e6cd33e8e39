"""The page on which a person chooses the time zone of their account."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from panel.accounts.models import User
from panel.accounts.signed_in import user_of
from panel.accounts.time_zones import browser_zone, zones_by_region
from panel.lib.formats import zone_text


class TimeZoneForm(forms.Form):
    time_zone = forms.ChoiceField(
        label=gettext_lazy("Time zone"),
        required=False,
        error_messages={"invalid_choice": gettext_lazy("Choose one of the list.")},
    )

    def __init__(self, *args: Any, browsers: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["time_zone"]
        assert isinstance(field, forms.ChoiceField)
        as_browser = _("As my browser says: %(zone)s") % {"zone": browsers} if browsers else _("As my browser says")
        field.choices = [("", as_browser), *((region, list(zones)) for region, zones in zones_by_region().items())]


@login_required
def time_zone(request: HttpRequest) -> HttpResponse:
    """Show and store the zone in which times are shown, and go back to the page that led here."""
    user, zone = user_of(request), browser_zone(request)
    form = TimeZoneForm(
        request.POST if request.method == "POST" else None,
        initial={"time_zone": user.time_zone},
        browsers=zone_text(str(zone)) if zone else "",
    )
    sent = request.POST if request.method == "POST" else request.GET
    back = sent.get("next", "")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts=None):
        back = ""
    if request.method == "POST" and form.is_valid():
        User.objects.filter(pk=user.pk).update(time_zone=form.cleaned_data["time_zone"])
        messages.success(request, _("Your time zone was saved."))
        return redirect(back or "time_zone")
    return render(request, "accounts/time_zone.html", {"form": form, "back": back})
