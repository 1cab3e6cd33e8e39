"""Chaos tests: kill and stop the panel's processes, make providers fail, then compare every order with the providers.

`python -m tests.chaos` (or `make chaos`) runs them on a temporary database and prints figures. The product contains no
hooks for this: child processes wrap its functions with crash points and sabotages from outside.

    matrix  every provider fault × every point at which the sending process dies
    kill    real Celery workers, killed repeatedly while 40 of 100 `add` calls meet a fault
    stop    workers that are stopped until their lease has expired, and continue when others have decided
    ends    providers that cancel in a wave, take an end back, or give an id twice, while workers are killed
    restore a backup that is restored after more orders were sent, on three kinds of host

A full run fails if a crash point, a fault or a guard was never reached.
"""
