"""The documentation of the served API, and its console. Examples are real answers; the text is in templates."""
