"""Forwarding in C, for the native engine: the twin of the modules one folder up."""
