"""Every route of the site, from the URLconf."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.contrib.admin import site
from django.urls import URLPattern, URLResolver, get_resolver
from django.views.generic import RedirectView


@dataclass(frozen=True, slots=True)
class Route:
    """One route. `model` is the label of the model whose admin has it, or ""; `page` the last part of its name."""

    name: str
    arguments: tuple[str, ...]
    model: str = ""
    page: str = ""


def all_routes() -> list[Route]:
    """Return the routes by name, each once. Fail if one has no name, but for those that only redirect."""
    models = {f"{model._meta.app_label}_{model._meta.model_name}": model._meta.label for model in site._registry}
    found: dict[str, Route] = {}
    for name, pattern in _patterns(get_resolver().url_patterns):
        if name.endswith(":None"):
            view = getattr(pattern.callback, "__wrapped__", pattern.callback)
            is_redirect = getattr(view, "view_class", None) is RedirectView
            assert is_redirect or str(pattern.pattern) == "(?P<url>.*)$", f"a route without a name: {pattern}"
            continue
        short = name.removeprefix("admin:")
        prefixes = [one for one in models if name.startswith("admin:") and short.startswith(f"{one}_")]
        prefix = max(prefixes, key=len, default="")
        names = (*pattern.pattern.converters, *pattern.pattern.regex.groupindex)
        found.setdefault(
            name, Route(name, tuple(dict.fromkeys(names)), models.get(prefix, ""), short.removeprefix(f"{prefix}_"))
        )
    return list(found.values())


def _patterns(patterns: list[URLPattern | URLResolver], namespace: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern.url_patterns, f"{pattern.namespace}:" if pattern.namespace else namespace)
        else:
            yield f"{namespace}{pattern.name}", pattern
