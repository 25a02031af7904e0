"""What the operator decides by hand while the daemon runs: overrides, accepted lists, entries let through."""
