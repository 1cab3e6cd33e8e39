"""The living notice the dead: each web server and worker says that it lives, judges the others, and tells the owner.

`presence` holds who lives, `judgement` what is wrong, `offline` what is told without a database, `watcher` the thread.
"""
