"""Numbers, names and messages of the protocol, with no idea of who asks and who answers."""
