"""The old name of `manage.py run_round count_figures`."""

from panel.ops.rounds import command_of

Command = command_of("count_figures")
