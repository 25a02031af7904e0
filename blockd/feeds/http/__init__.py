"""Fetching over HTTP: who may be connected to, what is shown to whom, and what answers mean."""
