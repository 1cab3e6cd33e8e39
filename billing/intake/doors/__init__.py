"""The gateways, one module each. To add one, copy a module: see docs/payments/writing-a-door.md."""
