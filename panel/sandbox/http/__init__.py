"""The sandbox's HTTP: connections, injected faults, recorded requests, and control from outside."""
