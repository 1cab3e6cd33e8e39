"""How people sign in: wrong passwords, known devices, second factors of staff, sessions, and the log of it all."""
