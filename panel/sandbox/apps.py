from django.apps import AppConfig


class SandboxConfig(AppConfig):
    """Provides the `sandbox_provider` command; there are no models."""

    name = "panel.sandbox"
    label = "sandbox"
    verbose_name = "Sandbox provider"
