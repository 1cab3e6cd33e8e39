"""Memory of a worker and a web server that run for minutes while providers misbehave and tasks break."""
