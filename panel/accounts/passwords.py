"""Which passwords are refused beside those that Django refuses."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from panel.site import registry as site

# A name of two letters is in too many passwords.
MIN_NAME = 3


class PanelNameValidator:
    """Refuses passwords that hold the panel's name, which whoever attacks this panel tries first."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raise ValidationError if the letters and digits of the panel's name are in the password, in any case."""
        name = _plain(site.PANEL_NAME.value)
        if len(name) >= MIN_NAME and name in _plain(password):
            raise ValidationError(_("The password must not hold the name of this site."), code="password_holds_name")

    def get_help_text(self) -> str:
        return _("Your password must not hold the name of this site.")


def _plain(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())
