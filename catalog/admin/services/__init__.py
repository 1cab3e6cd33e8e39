"""Admin of services: list, list editing, filters, actions, CSV files, and the page of one service."""
