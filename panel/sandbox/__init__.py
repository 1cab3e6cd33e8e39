"""A provider to try the panel with: a real HTTP server that speaks API v2.

`SandboxServer` (in `panel.sandbox.server`) runs it inside a process, for tests; `manage.py sandbox_provider` runs it
on its own. Only the command and the app configuration need Django.

An order's id seeds its random outcome. A link that contains one of these words decides it instead:

    sandbox-completed          Completed
    sandbox-overdelivered      Completed, with negative remains
    sandbox-partial            Partial
    sandbox-canceled           Canceled
    sandbox-stuck              stays In progress at half of the quantity
    sandbox-refill-rejected    refills of this order end Rejected (may be combined with another word)
"""
