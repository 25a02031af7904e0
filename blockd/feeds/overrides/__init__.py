"""Local overrides, the feed that blockd always has."""
