"""Chaos: the panel is killed, stopped and lied to, and every order is then compared with the truth upstream.

`python -m tests.chaos` (or `make chaos`) runs it on a throw-away database and prints figures. Nothing in the
product knows of it: crash points and sabotages are put around its functions from outside, in child processes.

    matrix  each upstream fault × each point at which the sending process dies
    kill    real Celery workers, killed over and over while 40 of 100 orders meet a fault
    stop    a worker that is stopped past its lease, and wakes up when all is decided
"""
