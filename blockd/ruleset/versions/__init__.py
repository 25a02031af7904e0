"""The rulesets kept on disk, their records, and the differences between two of them."""
