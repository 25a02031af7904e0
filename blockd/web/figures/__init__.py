"""The shapes of what the console shows; `blockd.daemon.figures` computes them."""
