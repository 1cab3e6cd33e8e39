"""The old name of `manage.py run_round check_providers`."""

from panel.ops.rounds import command_of

Command = command_of("check_providers")
