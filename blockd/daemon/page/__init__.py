"""The page process, which serves the block page and refuses TLS."""
