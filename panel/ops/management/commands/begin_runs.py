"""The old name of `manage.py run_round begin_runs`."""

from panel.ops.rounds import command_of

Command = command_of("begin_runs")
