"""The machine that a resolver runs on: its own resolvers, and its own addresses."""
