"""Packed lists: gzip, xz and zst as streams within bounds, and what else a file may be, named for what it is."""
