"""The old name of `manage.py run_round poll_orders`."""

from panel.ops.rounds import command_of

Command = command_of("poll_orders")
