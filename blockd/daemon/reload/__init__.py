"""Configs that follow one another in one daemon: what each makes, what outlives it, and how one replaces another."""
