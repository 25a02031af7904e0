"""The rulesets kept on disk, their records, and what differs between two of them."""
