"""Views of the list of orders: filters that a customer saves under a name."""

from __future__ import annotations

from django import forms
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orders.models import SavedView
from orders.models.saved_views import MAX_NAME, MAX_QUERY
from panel.accounts.models import User

MAX_VIEWS = 20


class ViewRefused(ValueError):
    """The view was not saved. The message is for the customer."""


class ViewNameForm(forms.Form):
    """The name of a view, for the filters that are on."""

    name = forms.CharField(
        label=gettext_lazy("Name of this view"),
        max_length=MAX_NAME,
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off", "dir": "auto"}),
        error_messages={
            "required": gettext_lazy("Give it a name, such as a client's."),
            "max_length": gettext_lazy("Choose a name of at most %(limit_value)d characters."),
            "null_characters_not_allowed": gettext_lazy("This holds an invisible character. Type it again."),
        },
    )


def views_of(*, customer: User) -> list[SavedView]:
    """Return the customer's views, in the order in which they were saved."""
    return list(SavedView.objects.filter(customer=customer))


def save_view(*, customer: User, name: str, query: str) -> SavedView:
    """Save the filters of `query` as a view. Raise ViewRefused."""
    if not query:
        raise ViewRefused(_("Set a filter or search for something first."))
    if len(query) > MAX_QUERY:
        raise ViewRefused(_("These filters are too long to be saved. Search for less."))
    try:
        with transaction.atomic():
            # One at a time for each customer, so that two at once do not exceed the limit.
            User.objects.select_for_update(no_key=True).get(pk=customer.pk)
            if SavedView.objects.filter(customer=customer).count() >= MAX_VIEWS:
                raise ViewRefused(_("You have %(most)s views. Delete one to save another.") % {"most": MAX_VIEWS})
            return SavedView.objects.create(customer=customer, name=name, query=query)
    except IntegrityError:
        found = SavedView.objects.get(customer=customer, name=name)
        if found.query == query:
            return found  # The second half of a double click.
        raise ViewRefused(_("You have a view of this name already. Choose another name.")) from None


def delete_view(*, view: SavedView) -> None:
    """Delete the view; the orders stay as they are."""
    SavedView.objects.filter(pk=view.pk).delete()
