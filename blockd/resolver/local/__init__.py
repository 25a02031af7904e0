"""Names that are answered here, without asking upstreams: local zones, local names, special names, canaries."""
