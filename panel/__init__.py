"""Project package around the domain apps. Importing it registers the Celery app for `shared_task`."""

from panel.celery import app as celery_app

__all__ = ["celery_app"]
