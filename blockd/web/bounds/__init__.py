"""How much a client may ask of the web servers: connections a second, and time for what computes."""
