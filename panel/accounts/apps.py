from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AccountsConfig(AppConfig):
    name = "panel.accounts"
    label = "accounts"

    def ready(self) -> None:
        from panel.accounts.roles import after_migrations

        # Permissions exist only after the migrations, and flushing the tables would delete groups that a migration
        # made.
        post_migrate.connect(after_migrations, sender=self, dispatch_uid="accounts.roles")
