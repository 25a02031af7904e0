"""The checks that a new ruleset passes before it is enforced: limits of size, and entries that are held back."""
