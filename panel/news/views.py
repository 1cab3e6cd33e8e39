"""The page of news, what is mailed, and unsubscribing. Views parse and render; services change."""

from __future__ import annotations

from datetime import datetime

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from panel.accounts.signed_in import user_of
from panel.news.bell import mark_seen, news_of
from panel.news.choices import DIGEST_AT, UnknownToken, choice_of, choose_mails, customer_of, unsubscribe
from panel.news.forms import ChoicesForm
from panel.news.words import line_of


@require_safe
@login_required
def news(request: HttpRequest) -> HttpResponse:
    """Show the customer's news, newest first. Opening the page marks nothing as read."""
    page = news_of(customer=user_of(request), params=request.GET.dict())
    return render(request, "news/news.html", {"page": page, "lines": [line_of(item) for item in page.rows]})


@require_POST
@login_required
def news_seen(request: HttpRequest) -> HttpResponse:
    """Mark as read what happened until the newest item of the page that was shown."""
    mark_seen(customer=user_of(request), until=_moment(request.POST.get("until", "")))
    return redirect("news")


@login_required
def news_choices(request: HttpRequest) -> HttpResponse:
    """Show and store what is mailed, and when."""
    customer = user_of(request)
    form = ChoicesForm(request.POST if request.method == "POST" else None, choice=choice_of(customer))
    if form.is_valid():
        choose_mails(customer=customer, paces=form.cleaned_data)
        messages.success(request, _("Your choice was saved."))
        return redirect("news_choices")
    return render(request, "news/choices.html", {"form": form, "digest_at": DIGEST_AT})


@never_cache
@csrf_exempt  # Programs that read mails post here without a session (RFC 8058). All it can do is to end mails.
@require_http_methods(["GET", "HEAD", "POST"])
def news_unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Ask whether to unsubscribe; a POST unsubscribes, without signing in and however often."""
    is_done = request.method == "POST"
    try:
        if is_done:
            unsubscribe(token=token)
        else:
            customer_of(token)
    except UnknownToken:
        return render(request, "news/unsubscribe.html", {"is_unknown": True}, status=400)
    return render(request, "news/unsubscribe.html", {"is_done": is_done})


def _moment(text: str) -> datetime | None:
    """Return the moment, None if there is none in the text."""
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    return found if found and timezone.is_aware(found) else None
