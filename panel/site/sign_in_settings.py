"""The settings about signing in, which `groups` shows with those of the registry."""

from __future__ import annotations

from django.contrib.auth.models import Group

from panel.site.kinds import Number, Setting


class Roles(Setting[tuple[int, ...]]):
    """Roles, by the primary keys of their groups. People write names; a role that is renamed later stays in it."""

    MAX_LENGTH = 500

    def parse(self, text: str) -> tuple[int, ...]:
        if len(text) > self.MAX_LENGTH or not text.isprintable():
            raise ValueError(f"Use one line of at most {self.MAX_LENGTH} characters.")
        names = [name.strip() for name in text.split(",") if name.strip()]
        if not names:
            return ()
        known: dict[str, int] = {}
        for pk, name in Group.objects.values_list("pk", "name"):
            known |= {name.casefold(): pk, f"#{pk}": pk}
        if unknown := [name for name in names if name.casefold() not in known]:
            raise ValueError(f"There is no role called “{unknown[0]}”.")
        return tuple(sorted({known[name.casefold()] for name in names}))

    def text_of(self, value: tuple[int, ...]) -> str:
        if not value:
            return ""
        names = dict(Group.objects.filter(pk__in=value).values_list("pk", "name"))
        return ", ".join(names[pk] for pk in value if pk in names)

    def shown(self, value: tuple[int, ...]) -> str:
        return self.text_of(value) or "nobody"

    def to_store(self, value: tuple[int, ...]) -> str:
        return ",".join(f"#{pk}" for pk in value)

    def from_stored(self, text: str) -> tuple[int, ...]:
        return tuple(int(part.removeprefix("#")) for part in text.split(",") if part)


SECOND_FACTOR_ROLES = Roles(
    "SECOND_FACTOR_ROLES",
    "Roles that need a second factor",
    default=(),
    touches_money=True,
    help="Their names, commas between, such as Owner, Manager. Who has none yet sets one up at the next sign-in, and "
    "opens nothing of the admin before. Superusers count as owners.",
)
STAFF_IDLE_MINUTES = Number(
    "STAFF_IDLE_MINUTES",
    "Staff are signed out when idle for",
    default=60,
    least=5,
    most=1_440,
    unit="minutes",
    touches_money=True,
    help="Pages that refresh by themselves do not count as use.",
)
STAFF_SESSION_HOURS = Number(
    "STAFF_SESSION_HOURS",
    "Longest session of staff",
    default=12,
    least=1,
    most=336,
    unit="hours",
    touches_money=True,
    help="Then they sign in again, however busy they are. Customers stay signed in for two weeks.",
)
KEEP_SIGN_INS_DAYS = Number(
    "KEEP_SIGN_INS_DAYS",
    "Sign-ins",
    default=180,
    least=30,
    most=3_650,
    unit="days",
    help="Who signed in, from where, and what failed. Mails about it go with them.",
)
