from datetime import timedelta

from django.db import migrations, models
from django.utils import timezone


def believe_running_panel(apps, schema_editor):
    """Keep the time that orders have waited, if the release before was running until now."""
    now = timezone.now()
    heard = apps.get_model("ops", "Heartbeat").objects.order_by("-beat_at").values_list("beat_at", flat=True).first()
    if heard and abs(now - heard) < timedelta(minutes=15):
        apps.get_model("ops", "RunningTime").objects.create(pk=1, since=now - timedelta(days=30), seen_at=now)


class Migration(migrations.Migration):

    dependencies = [
        ('ops', '0003_rounds'),
    ]

    operations = [
        migrations.CreateModel(
            name='RunningTime',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('since', models.DateTimeField()),
                ('seen_at', models.DateTimeField()),
                ('doubted_since', models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name='RunningGap',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('began_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.RunPython(believe_running_panel, migrations.RunPython.noop),
    ]
