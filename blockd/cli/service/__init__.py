"""Verbs about the daemon itself: running it, and having it take a config or fetch its feeds."""
