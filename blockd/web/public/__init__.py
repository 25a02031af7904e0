"""The incident's page: each order for everybody, and whether a name is blocked, on a listener of its own."""
