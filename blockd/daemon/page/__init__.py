"""The page process, which serves the block page and refuses TLS; and how the control process sees it."""
