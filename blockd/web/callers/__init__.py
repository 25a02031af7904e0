"""Who calls the admin port, and what they may do there."""
