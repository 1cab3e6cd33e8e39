"""The old name of `manage.py run_round reconcile_orders`."""

from panel.ops.rounds import command_of

Command = command_of("reconcile_orders")
