"""The engine, which answers a UDP socket's messages in batches: in C, and its twin in plain Python."""
