from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('ops', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='WrongClock',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('machine', models.CharField(max_length=120, unique=True)),
                ('offset', models.BigIntegerField(help_text='Milliseconds to add to its clock.')),
                ('measured_at', models.DateTimeField(help_text="By the database's clock.")),
            ],
        ),
    ]
