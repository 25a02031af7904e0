"""Making a ruleset file: compiled from listings, or amended from the one in force."""
