"""Services in the admin: the list and its editing, filters, actions, files, and the page of one."""
