"""Reports of the daemon: status, alarms, statements, the start-up, and where a name's entry comes from."""
