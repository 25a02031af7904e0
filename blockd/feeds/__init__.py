"""Where lists come from: one module per source, and what all of them share."""
