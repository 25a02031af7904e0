"""Reading of an upstream's message: its names, its data, which records fit the question, and writing it anew."""
