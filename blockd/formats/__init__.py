"""Readers of lists on the wire and on disk: bodies, lines, text formats, policy zones."""
