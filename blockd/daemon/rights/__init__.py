"""What each process of blockd may do: its user, its capabilities, and what it may open, connect to and signal."""
