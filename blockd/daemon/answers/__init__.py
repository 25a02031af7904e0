"""Answers of the admin port about what is kept and in force, beside the status and the figures."""
