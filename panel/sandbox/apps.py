from django.apps import AppConfig


class SandboxConfig(AppConfig):
    """Makes the `sandbox_provider` command known; there are no models."""

    name = "panel.sandbox"
    label = "sandbox"
    verbose_name = "Sandbox provider"
