"""The old name of `manage.py run_round find_shelf_news`."""

from panel.ops.rounds import command_of

Command = command_of("find_shelf_news")
