"""Around the cache: asking upstreams for it, giving what has expired, and looking into it."""
