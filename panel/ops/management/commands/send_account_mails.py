"""The old name of `manage.py run_round send_account_mails`."""

from panel.ops.rounds import command_of

Command = command_of("send_account_mails")
