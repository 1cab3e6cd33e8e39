"""What we depend on: its versions with hashes, its licences, and its known vulnerabilities."""
