"""A signed repository (The Update Framework 1.0): fetched, verified, and taken part by part.

From the ground up: `limits`; `connections` and `fetchers` bring files; `refusals` says what was wrong; `trust` has what
was proved; `part`, `documents` and `authorities` are what a role gives; `repository` puts them together, and `mirrors`
several of its places. `blockd.feeds.signed.source` is the feed, `blockd.feeds.signed.amend` compiles its news.
"""
