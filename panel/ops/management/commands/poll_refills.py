"""The old name of `manage.py run_round poll_refills`."""

from panel.ops.rounds import command_of

Command = command_of("poll_refills")
