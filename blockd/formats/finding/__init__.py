"""The lines of a list that name an entry."""
