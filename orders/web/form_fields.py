"""How the order form shows a link that is no address, and the parameters of a service's type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from catalog.link_kinds import LinkKind
from catalog.service_types import Kind, Param
from orders.checkout.validation import MAX_LINE, missing_param
from panel.lib.links.places import What


@dataclass(frozen=True, slots=True)
class LinkLook:
    """How the form shows a link that is no address."""

    label: str
    help: str
    inputmode: str
    example: str


# By what a service is for, where its names tell. Marked here, and translated where they are shown, as all below.
LINK_LABELS: Mapping[What, str] = {
    What.POST: gettext_noop("Link to the post or video"),
    What.PROFILE: gettext_noop("Link to the profile"),
}
LINK_LOOKS: Mapping[LinkKind, LinkLook] = {
    LinkKind.USERNAME: LinkLook(
        gettext_noop("Username"), gettext_noop("The name alone, as the platform shows it."), "text", "natgeo"
    ),
    LinkKind.NUMBER: LinkLook(gettext_noop("ID"), gettext_noop("The number alone, no address."), "text", "123456789"),
    LinkKind.PHONE: LinkLook(
        gettext_noop("Phone number"), gettext_noop("With the code of its country."), "tel", "+1 212 555 0100"
    ),
    LinkKind.APP: LinkLook(
        gettext_noop("App link"), gettext_noop("Copied from the app."), "text", "tg://resolve?domain=natgeo"
    ),
    LinkKind.KEYWORD: LinkLook(gettext_noop("Keyword"), gettext_noop("The words to search for."), "text", ""),
    LinkKind.TEXT: LinkLook(gettext_noop("Text"), gettext_noop("What the service asks for."), "text", ""),
}


def param_field(param: Param) -> forms.Field:
    """Return the form field of a parameter. `check_order` validates its value."""
    plain = {"autocomplete": "off"}
    widget: forms.Widget
    if param.kind is Kind.CHOICE:
        widget = forms.Select(choices=[("", _("Choose")), *((value, _(words)) for value, words in param.choices)])
    elif param.kind is Kind.LINES:
        widget = forms.Textarea(attrs={"rows": 6, "spellcheck": "false", **plain})
    elif param.kind is Kind.NUMBER:
        widget = forms.TextInput(attrs={"inputmode": "numeric", **plain})
    elif param.kind is Kind.LINK:
        widget = forms.TextInput(attrs={"inputmode": "url", "placeholder": "https://", **plain})
    else:
        widget = forms.TextInput(attrs={"maxlength": MAX_LINE, **plain})
    help_text = _(param.help) if param.help else _("One on each line.") if param.kind is Kind.LINES else ""
    return forms.CharField(
        label=_(param.label),
        required=param.only_if is None,
        strip=False,
        widget=widget,
        help_text=help_text,
        error_messages={
            "required": missing_param(param),
            "null_characters_not_allowed": _("This holds an invisible character. Type it again."),
        },
    )
