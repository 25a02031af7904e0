"""The supervisor's children: which there are, and how one is started, waited for and ended."""
