"""From what the feeds have fetched to a ruleset file that has passed the gate: compiled anew, or amended."""
