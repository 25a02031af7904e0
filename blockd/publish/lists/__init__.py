"""Lists of national size in an authority's workshop."""
