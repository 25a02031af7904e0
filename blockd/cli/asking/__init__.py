"""How a verb reaches the running daemon: by the admin socket, or by the admin port with a token."""
