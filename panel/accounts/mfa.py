"""Second factors: their secrets are encrypted at rest, also in the session while one is being set up."""

from __future__ import annotations

from typing import Any

import structlog
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.totp.forms import ActivateTOTPForm as AllauthActivateTOTPForm
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from panel.lib.crypto import Undecryptable, decrypt, encrypt, is_ciphertext

log = structlog.get_logger(__name__)


class MFAAdapter(DefaultMFAAdapter):
    """Encrypts the secrets of TOTP and the seeds of recovery codes."""

    def encrypt(self, text: str) -> str:
        return encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Return the secret, also of a row from before secrets were encrypted. Raise ValidationError.

        Never returns a stand-in for a secret that cannot be read: everybody could compute its codes.
        """
        if not is_ciphertext(encrypted_text):
            return encrypted_text
        try:
            return decrypt(encrypted_text)
        except Undecryptable as error:
            log.error("second factor not read", error=str(error))
            raise ValidationError(_("Your second factor cannot be checked at the moment. Please contact us.")) from None


class ActivateTOTPForm(AllauthActivateTOTPForm):
    """Keeps the new secret encrypted in the session, which is a row of the database."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        session = context.request.session
        if kept := session.get(SECRET_SESSION_KEY):
            try:
                session[SECRET_SESSION_KEY] = decrypt(kept) if is_ciphertext(kept) else kept
            except Undecryptable:  # The encryption keys were changed meanwhile: a new secret is shown.
                del session[SECRET_SESSION_KEY]
        super().__init__(*args, **kwargs)
        session[SECRET_SESSION_KEY] = encrypt(self.secret)
