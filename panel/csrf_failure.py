"""The answer to a form whose token is not this browser's any more, as after signing in again in another tab.

Nothing of it was done, and nothing is done here: another site may have made the request. Only what carries the
signature of the signed-in customer is shown again, to be sent once more by hand.
"""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from orders.web.views.drafts import is_owner
from orders.web.views.order_form import order_after_csrf_failure

_NOT_REPEATED = ("csrfmiddlewaretoken", "owner")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Return the form to send again, else a page that says what to do. A script gets the name of its notice."""
    if request.headers.get("HX-Request"):
        notice = "form-expired" if request.user.is_authenticated else "signed-out"
        return HttpResponse(status=HTTPStatus.FORBIDDEN, headers={"X-Notice": notice})
    if request.path == reverse("order_new") and (page := order_after_csrf_failure(request)) is not None:
        return page
    typed = None
    if request.user.is_authenticated and is_owner(request) and not request.FILES:
        typed = [(name, text) for name, texts in request.POST.lists() for text in texts if name not in _NOT_REPEATED]
    return render(request, "403_csrf.html", {"typed": typed}, status=HTTPStatus.FORBIDDEN)
