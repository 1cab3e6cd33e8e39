"""Answer pages below `view-as/<customer>/` as the customer would see them, without being the customer.

The addresses have a folder of their own, so that each tab says whose pages it shows: the staff's own pages and the
admin stay what they were. All links of such a page stay in the folder, because they are made with its prefix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import structlog
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.contrib.messages.storage.base import BaseStorage
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import get_script_prefix, resolve, reverse, set_script_prefix

from panel.accounts.models import User, Visit
from panel.accounts.view_as.grant import FOLDER, VisitOver, address_of, current_visit
from panel.accounts.view_as.pages import VIEWABLE
from panel.lib.digits import whole_number
from panel.lib.read_only import WriteRefused, read_only

_OPEN = "_view_as"


class ViewAsMiddleware:
    """Stands last, so that sessions, logs and limits of all others are those of the staff."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        # Django remembers it with the prefix of the request that read it first.
        str(settings.STATIC_URL)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        customer_id, page = _split(request.path_info)
        staff = request.user
        if customer_id is None or (staff.is_authenticated and not staff.is_staff):
            return self.get_response(request)  # There is no such page.
        if not isinstance(staff, User):
            return redirect_to_login(reverse("customer", args=[customer_id]))
        try:
            visit = current_visit(request, staff=staff, customer_id=customer_id)
        except VisitOver as over:
            context = {"why": str(over), "customer_id": customer_id}
            response: HttpResponseBase = render(request, "viewing/over.html", context, status=403)
        else:
            response = self._answer(request, visit, page)
        response["Cache-Control"] = "private, no-store"
        return response

    def _answer(self, request: HttpRequest, visit: Visit, page: str) -> HttpResponseBase:
        """Return the page, or say that it is not to be viewed or would change something."""
        # Not for this block alone: the line that a request was answered is written after it.
        structlog.contextvars.bind_contextvars(viewed_customer=visit.customer_id)
        with ExitStack() as stack:
            stack.enter_context(_as_customer(request, visit, page))
            stack.enter_context(read_only())
            setattr(request, _OPEN, stack)
            if request.method not in ("GET", "HEAD") or not _is_viewable(page):
                return _refuse(request)
            response = self.get_response(request)
            if response.streaming:  # It would be read after this. Not closed: that would end the request.
                response = _refuse(request)
            # Whatever a page keeps in the browser of its reader would stay in that of the staff.
            response.cookies.clear()
            return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Refuse what a page was about to write. Give up the visit before an error is reported, which writes."""
        stack: ExitStack | None = getattr(request, _OPEN, None)
        if stack is None or isinstance(exception, (Http404, PermissionDenied)):
            return None
        if isinstance(exception, WriteRefused):
            return _refuse(request)
        stack.close()
        return None


def _split(path: str) -> tuple[int | None, str]:
    """Return the customer and the address of the page; (None, "") if it is no address of a visit."""
    before, folder, rest = path.partition(f"/{FOLDER}")
    number, slash, page = rest.partition("/")
    customer_id = whole_number(number) if folder and slash and not before else None
    return (customer_id, f"/{page}") if customer_id is not None else (None, "")


def _is_viewable(page: str) -> bool:
    """Return True if the page may be viewed, or is not there: the customer would not find it either."""
    try:
        return resolve(page).view_name in VIEWABLE
    except Http404:
        return True


def _refuse(request: HttpRequest) -> HttpResponse:
    is_sent = request.method not in ("GET", "HEAD")
    return render(request, "viewing/refused.html", {"is_sent": is_sent}, status=403)


@contextmanager
def _as_customer(request: Any, visit: Visit, page: str) -> Iterator[None]:
    """Let the request read as the customer's in the block, with an empty session and no messages of the staff."""
    names = ("user", "path_info", "session", "_messages")
    before = {name: getattr(request, name) for name in names}
    prefix = get_script_prefix()
    request.visit = visit
    request.leave_url = reverse("customer_view_as_leave", args=[visit.customer.pk])
    request.user, request.path_info = visit.customer, page
    request.session, request._messages = _NoSession(), _NoMessages(request)
    set_script_prefix(address_of(visit.customer.pk))
    try:
        yield
    finally:
        set_script_prefix(prefix)
        for name, value in before.items():
            setattr(request, name, value)


class _NoSession(SessionBase):
    """Keeps what a page puts into it until the page is made, and stores nothing."""

    def load(self) -> dict[str, Any]:
        return {}

    def exists(self, session_key: str) -> bool:
        return False

    def create(self) -> None: ...

    def save(self, must_create: bool = False) -> None: ...

    def delete(self, session_key: str | None = None) -> None: ...


class _NoMessages(BaseStorage):
    """Shows what the page itself says, and none of what waits for the staff."""

    def _get(self, *args: Any, **kwargs: Any) -> tuple[list[Any], bool]:
        return [], True

    def _store(self, messages: Any, response: Any, *args: Any, **kwargs: Any) -> list[Any]:
        return []
