"""Upstreams while a daemon runs: which they are, how they are, and what is said when that changes."""
