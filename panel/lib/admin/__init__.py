"""What all admin pages share: base classes, fields for amounts, and actions with a form to confirm."""
