"""Lookups: what happens to a name, where it leads, and at another time; for the admin port and the command line."""
