"""What the daemon says of itself: status, alarms, statements, the start-up, and where a name's entry comes from."""
