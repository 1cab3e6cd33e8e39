"""Details of what people did, and triggers that keep both them and Django's log.

The log is large where a panel is old, and its list is filtered by time: an index helps it.
"""

import django.contrib.admin.models
import django.db.models.deletion
from django.db import migrations, models

from panel.activity import append_only


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('admin', '0003_logentry_add_action_flag_choices'),
    ]

    operations = [
        migrations.CreateModel(
            name='Act',
            fields=[
            ],
            options={
                'verbose_name': 'entry of the activity',
                'verbose_name_plural': 'activity',
                'proxy': True,
                'default_permissions': ('view',),
                'indexes': [],
                'constraints': [],
            },
            bases=('admin.logentry',),
            managers=[
                ('objects', django.contrib.admin.models.LogEntryManager()),
            ],
        ),
        migrations.CreateModel(
            name='ActivityDetail',
            fields=[
                ('entry', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='detail', serialize=False, to='admin.logentry')),
                ('address', models.GenericIPAddressField(null=True)),
                ('agent', models.CharField(blank=True, help_text='The program, as it introduces itself.', max_length=200)),
                ('changes', models.JSONField(default=list)),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.RunSQL(
            'CREATE INDEX IF NOT EXISTS activity_by_time ON django_admin_log (action_time)',
            'DROP INDEX IF EXISTS activity_by_time',
        ),
        migrations.RunPython(append_only.install, append_only.remove),
    ]
