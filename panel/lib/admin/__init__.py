"""What all admin pages share: their base class, fields for amounts, and actions that ask first."""
