"""The documentation of the served API, and its console. Examples are answers of the API itself; words are templates."""
