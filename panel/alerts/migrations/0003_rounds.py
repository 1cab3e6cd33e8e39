from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('ops', '0002_wrong_clocks'),
    ]

    operations = [
        migrations.CreateModel(
            name='Round',
            fields=[
                ('task', models.CharField(max_length=100, primary_key=True, serialize=False)),
                ('begun_at', models.DateTimeField()),
                ('due_at', models.DateTimeField()),
            ],
        ),
    ]
