"""A resolver worker: its process, and the connections that it serves."""
