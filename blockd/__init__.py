"""blockd: a resolver daemon that enforces signed blocklists and says who ordered what."""

__version__ = "0.2.0"
