"""The routes of the admin port by kind: probes, questions and commands."""
