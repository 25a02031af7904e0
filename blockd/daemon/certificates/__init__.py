"""Certificates of a running daemon: who reads them, how others get them, and what is told of them."""
