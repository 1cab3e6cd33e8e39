"""The sandbox's HTTP: connections, the faults that strike them, what was recorded, and control from outside."""
