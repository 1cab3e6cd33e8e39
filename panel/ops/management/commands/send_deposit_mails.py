"""The old name of `manage.py run_round send_deposit_mails`."""

from panel.ops.rounds import command_of

Command = command_of("send_deposit_mails")
