"""The old name of `manage.py run_round submit_orders`."""

from panel.ops.rounds import command_of

Command = command_of("submit_orders")
