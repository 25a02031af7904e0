"""The sources of lists: one module per source, and what all of them share."""
