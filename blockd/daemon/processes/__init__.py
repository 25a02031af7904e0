"""Processes and what the machine gives them: signals, standard streams, children, and whether these still answer."""
