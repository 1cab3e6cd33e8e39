"""Two people who edit the same row: whoever saves second is told what changed, and nothing is saved until they chose.

A form carries a digest of each value that it showed. Saving locks the row and compares: what another person, or the
panel, wrote since is named at its field, what was typed stays, and a box saves it over the other's.
"""

from __future__ import annotations

import time
from typing import Any

from django import forms
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.utils.crypto import salted_hmac

from panel.lib.digits import whole_number
from panel.lib.formats import moment_text

SHOWN, OVERWRITE = "shown-row", "overwrite-row"
# Characters of a value in a message.
MAX_SHOWN = 120
# Acts among which the one that wrote a value is looked for.
MAX_ACTS = 20


class ShownForm(forms.ModelForm):
    """Mixin of the admin's forms. A form that is sent without what it showed, by a script, is not compared.

    Forms name in `merged_fields` what they save on top of what others wrote, such as the rights of a role.
    """

    # A digest of the row as it is stored, if it was written since the form was opened: what the box confirms.
    row_conflict = ""
    is_overwriting = False

    @property
    def shown_row(self) -> str:
        """Return the hidden field: when the form was opened, and a digest of each value; "" for a new row."""
        if self.is_bound:
            return str(self.data.get(SHOWN, ""))
        digests = ",".join(f"{name}={self._digest(name, value)}" for name, value in _values(self).items())
        return f"{int(time.time())}:{digests}" if digests and not self.instance._state.adding else ""

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for name, value in self.conflicts().items():
            now = f"It is “{self._text(name, value)}” now. What you entered is kept here, and not saved."
            self.add_error(name, f"{self._who(name)} {now}")
        return cleaned

    def conflicts(self) -> dict[str, Any]:
        """Return the values that were written since the form was opened, and that saving it would write over.

        Lock the row until the transaction ends.
        """
        if not self.shown_row:
            return {}
        stored = self._meta.model._base_manager.select_for_update(no_key=True).filter(pk=self.instance.pk).first()
        if stored is None:
            return {}
        shown = dict(one.partition("=")[::2] for one in self.shown_row.partition(":")[2].split(","))
        now = _values(type(self)(instance=stored))
        found = {
            name: value
            for name, value in now.items()
            if shown.get(name) not in (None, self._digest(name, value)) and self._writes(name, value)
        }
        self.row_conflict = self._digest("", now) if found else ""
        self.is_overwriting = bool(found) and self.data.get(OVERWRITE) == self.row_conflict
        return {} if self.is_overwriting else found

    def _digest(self, name: str, value: object) -> str:
        """Return a keyed digest, from which nobody learns the value."""
        text = f"{self._meta.model._meta.label}.{self.instance.pk}.{name}.{value!r}"
        return salted_hmac("panel.lib.admin.shown_rows", text).hexdigest()[:16]

    def _writes(self, name: str, value: object) -> bool:
        """Return True if saving would put another value in the place of `value`."""
        field = self.fields[name]
        if field.show_hidden_initial and name not in self.changed_data:
            return False  # Forms that show what they began with write only what the person changed.
        return field.has_changed(field.prepare_value(value), self[name].data)

    def _text(self, name: str, value: Any) -> str:
        field = self.fields[name]
        if isinstance(field, forms.ModelMultipleChoiceField):
            text = ", ".join(map(str, field.queryset.filter(pk__in=value)))  # type: ignore[union-attr]
        elif isinstance(field, forms.ModelChoiceField):
            text = str(field.queryset.filter(pk=value).first() or "")  # type: ignore[union-attr]
        elif isinstance(field, forms.BooleanField):
            text = "Yes" if value else "No"
        elif isinstance(field, forms.ChoiceField):
            labels: dict[Any, Any] = dict(field.choices)  # type: ignore[arg-type]
            text = ", ".join(str(labels.get(one, one)) for one in (value if isinstance(value, list) else [value]))
        else:
            prepared = field.prepare_value(value)
            text = "" if prepared is None else ", ".join(str(prepared).splitlines())
        return text[:MAX_SHOWN] or "empty"

    def _who(self, name: str) -> str:
        """Return who wrote the value, where the activity knows: imports and price changes are not acts on the row."""
        opened = whole_number(self.shown_row.partition(":")[0]) or 0
        kind = ContentType.objects.get_for_model(self._meta.model, for_concrete_model=False)
        acts = LogEntry.objects.filter(content_type=kind, object_id=str(self.instance.pk))
        for act in acts.select_related("user", "detail").order_by("-pk")[:MAX_ACTS]:
            columns = {one["column"] for one in act.detail.changes} if hasattr(act, "detail") else set()
            if act.action_time.timestamp() >= opened and (name in columns or not columns):
                return f"{act.user} changed this at {moment_text(act.action_time)}, after you opened the page."
        return "This was changed after you opened the page."


def _values(form: forms.ModelForm) -> dict[str, Any]:
    """Return the values that a form begins with, as they compare. What is hidden, or merged, is not among them."""
    left_out = getattr(form, "merged_fields", ())
    fields = {name: one for name, one in form.fields.items() if name not in left_out and not one.widget.is_hidden}
    return {name: _plain(form.get_initial_for_field(field, name)) for name, field in fields.items()}


def _plain(value: Any) -> Any:
    """Return a relation to many rows by their keys."""
    if isinstance(value, list) and all(isinstance(one, Model) for one in value):
        return sorted(one.pk for one in value)
    return value
