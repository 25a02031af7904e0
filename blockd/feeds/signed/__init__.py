"""A signed repository (The Update Framework 1.0): fetched, verified, and taken part by part.

From the ground up: `limits`; `connections` and `fetchers` fetch files; `refusals` says what was wrong; `trust` has what
was verified; `role_targets`, `documents` and `authorities` are what a role lists; `ownership` and `repository` put them
together, and `mirrors` several URLs. `blockd.feeds.signed.source` is the feed, `blockd.feeds.signed.amend` amends.
"""
