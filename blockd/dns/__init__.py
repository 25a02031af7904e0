"""Numbers, names and messages of the protocol, the same for clients and servers."""
