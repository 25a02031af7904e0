"""The engine: a batch of a UDP socket's messages answered in place, in C, and its twin in plain Python."""
