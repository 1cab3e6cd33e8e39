"""Form fields of "How it speaks": how a provider's API differs from the standard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.forms.forms import DeclarativeFieldsMetaclass
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from catalog.models import Provider
from catalog.provider_accounts import ProviderUnusable, dialect_of
from catalog.upstream.dialect import (
    READING,
    STANDARD,
    Dialect,
    DialectError,
    dialect_from_json,
    dialect_to_json,
    status_words,
)
from panel.site.registry import SUBMISSION_LEASE_SECONDS
from panel.site.submission_times import LEASE_SPARE_SECONDS, submission_times

# Prefix of the form fields; the rest is the setting in Dialect.
PREFIX = "dialect_"
DIALECT_FIELDS = tuple(PREFIX + one.name for one in fields(Dialect))
_MAX_TEXT = 4_000
_MAX_LINES = 60


class PairsField(forms.CharField):
    """A mapping as lines such as "link = url". `example` is shown in messages."""

    def __init__(self, *, example: str, **kwargs: Any) -> None:
        kwargs.setdefault("widget", UnfoldAdminTextareaWidget(attrs={"rows": 3, "placeholder": example}))
        super().__init__(required=False, max_length=_MAX_TEXT, **kwargs)
        self._example = example

    def prepare_value(self, value: object) -> object:
        return show_pairs(value) if isinstance(value, Mapping) else value

    def run_validators(self, value: object) -> None:
        """Do nothing: `to_python` checks the text."""

    def to_python(self, value: object) -> Any:
        if isinstance(value, Mapping):
            return dict(value)
        text = super().to_python(value) or ""
        lines = [line.strip() for line in text[: _MAX_TEXT + 1].splitlines() if line.strip()]
        if len(text) > _MAX_TEXT or len(lines) > _MAX_LINES:
            raise forms.ValidationError(f"Enter at most {_MAX_LINES} lines.")
        pairs: dict[str, str] = {}
        for line in lines:
            name, equals, meant = (part.strip() for part in line.partition("="))
            if not (name and equals and meant):
                raise forms.ValidationError(f"“{line[:60]}”: write it as {self._example}, one a line.")
            if name in pairs:
                raise forms.ValidationError(f"“{name[:60]}” is there twice.")
            pairs[name] = meant
        return pairs


class _NamesField(PairsField):
    def to_python(self, value: object) -> Any:
        return {name.lower(): meant for name, meant in super().to_python(value).items()}


class _CodesField(PairsField):
    """Numbers with the statuses that they mean, in any case: "3 = In progress"."""

    def to_python(self, value: object) -> Any:
        pairs = super().to_python(value)
        return {code: "_".join(meant.lower().replace("_", " ").split()) for code, meant in pairs.items()}


def show_pairs(pairs: Mapping[str, str]) -> str:
    """Return a mapping as lines."""
    return "\n".join(f"{name} = {meant}" for name, meant in pairs.items())


class _Seconds(forms.IntegerField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, widget=UnfoldAdminIntegerFieldWidget, **kwargs)


class DialectFields(forms.BaseForm, metaclass=DeclarativeFieldsMetaclass):
    """The fields, for the form of a provider. `cleaned_data["dialect"]` is the Dialect that they say."""

    instance: Provider
    base_fields: ClassVar[dict[str, forms.Field]]

    dialect_names = _NamesField(
        label="Parameter names",
        example="link = url",
        help_text="Where it wants another name than the standard: the standard's name = its name, one a line.",
    )
    dialect_key_header = forms.CharField(
        label="API key in a header",
        required=False,
        max_length=60,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "Authorization: Bearer"}),
        help_text=(
            "The header's name, such as X-Api-Key or Authorization: Bearer. The key is added to it and is then no "
            "parameter. Empty: the key is a parameter."
        ),
    )
    dialect_get_actions = forms.MultipleChoiceField(
        label="Asked by GET",
        required=False,
        choices=[(action, action) for action in READING],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=(
            "Where it answers nothing to POST. Orders, cancels and refills are always sent by POST. The key is then "
            "part of the address, which servers on the way may keep: better put it in a header."
        ),
    )
    dialect_addresses = PairsField(
        label="Addresses of actions",
        example="status = /api/status",
        help_text="Where an action has an address of its own: action = path or whole address, one a line.",
    )
    dialect_requests_a_minute = forms.IntegerField(
        label="Requests a minute",
        required=False,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="The most that it takes from one key, for all actions. Orders wait in the queue. Empty: no limit.",
    )
    dialect_connect_timeout = _Seconds(label="Seconds to connect", help_text="Empty: 10.")
    dialect_read_timeout = _Seconds(
        label="Seconds for an answer", help_text="To what is only asked, not to orders. Empty: 45."
    )
    dialect_add_timeout = _Seconds(
        label="Seconds for an order’s answer",
        help_text="Only longer than the panel's own: an order that is given up early is in doubt. Empty: the panel's.",
    )
    dialect_asks_singly = forms.BooleanField(
        label="Ask about one order at a time",
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Where it knows no lists of ids. Following orders then takes a hundred times as many requests.",
    )
    dialect_status_codes = _CodesField(
        label="Status numbers",
        example="3 = Completed",
        help_text=(
            f"Where it states the status of an order as a number: number = one of {status_words()}. Take them from its "
            "documentation: money follows from them."
        ),
    )
    dialect_any_case = forms.BooleanField(
        label="Names in its answers differ in case",
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Reads Status, STATUS and StartCount as the standard's names.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stored_dialect = _stored(self.instance)
        for name in DIALECT_FIELDS:
            if name not in self.fields:
                continue
            value = getattr(self.stored_dialect, name.removeprefix(PREFIX))
            self.initial.setdefault(name, sorted(value) if isinstance(value, frozenset) else value)
            # As for the columns: only what the person changed is written.
            seen = not self.is_bound or self.add_initial_prefix(name) in self.data
            self.fields[name].show_hidden_initial = seen and bool(self.instance.pk)

    def clean_dialect(self, data: dict[str, Any]) -> None:
        """Add errors at the fields, or put the Dialect into `data`."""
        if any(name in self.errors for name in DIALECT_FIELDS):
            return
        values = {name: data[PREFIX + name] for name in (one.name for one in fields(Dialect))}
        values["get_actions"] = frozenset(values["get_actions"])
        values["key_header"] = " ".join(values["key_header"].split())
        try:
            dialect = Dialect(**values)
        except DialectError as error:
            self.add_error(PREFIX + error.setting, str(error))
            return
        self._check_addresses(dialect)
        self._check_add_timeout(dialect)
        data["dialect"] = dialect

    def _check_addresses(self, dialect: Dialect) -> None:
        for action, address in dialect.addresses.items():
            if urlsplit(address).scheme == "http" and not settings.UPSTREAM_ALLOW_PRIVATE:
                text = f"{action}: use an https address. The API key travels with every request."
                self.add_error("dialect_addresses", text)

    def _check_add_timeout(self, dialect: Dialect) -> None:
        own = dialect.add_timeout
        if own is None or PREFIX + "add_timeout" not in self.changed_data:
            return
        timeout, lease = submission_times()
        most = int(lease - LEASE_SPARE_SECONDS)
        if own < timeout:
            text = (
                f"The panel waits for {timeout:g} seconds already. A shorter time would put orders in doubt that the "
                "provider takes."
            )
            self.add_error("dialect_add_timeout", text)
        elif own > most:
            text = f"Enter at most {most:,} seconds, or first raise “{SUBMISSION_LEASE_SECONDS.label}” in the settings."
            self.add_error("dialect_add_timeout", text)


def dialect_to_save(form: Any) -> dict[str, Any] | None:
    """Return the settings to store: those that the person changed, on top of the others as they are stored now."""
    chosen: Dialect = form.cleaned_data["dialect"]
    changed = {name.removeprefix(PREFIX) for name in form.changed_data if name in DIALECT_FIELDS}
    whole = dialect_to_json(chosen)
    stored = Provider.objects.filter(pk=form.instance.pk).values_list("dialect", flat=True).first() or {}
    merged = {name: value for name, value in stored.items() if name not in changed}
    merged |= {name: value for name, value in whole.items() if name in changed}
    try:
        dialect_from_json(merged)
    except DialectError:  # It contradicts what was saved meanwhile: the form is what the person saw.
        merged = whole
    return merged or None


def describe_dialect(dialect: Dialect) -> list[tuple[str, str]]:
    """Return the settings that differ from the standard, as label and value."""
    labels = {name: str(field.label) for name, field in DialectFields.base_fields.items()}
    return [(labels[PREFIX + name], shown_setting(value)) for name, value in dialect_to_json(dialect).items()]


def shown_setting(value: object) -> str:
    """Return the text of one setting."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} = {meant}" for name, meant in value.items())
    if isinstance(value, list | tuple | frozenset):
        return ", ".join(sorted(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "as usual" if value in (None, "") else str(value)


def _stored(provider: Provider) -> Dialect:
    try:
        return dialect_of(provider)
    except ProviderUnusable:
        return STANDARD
