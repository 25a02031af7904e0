"""Forwarding: which upstream is asked for a question, how long it is waited for, and what is remembered of failures."""
