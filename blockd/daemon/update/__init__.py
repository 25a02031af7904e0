"""From a feed that has news to a version that is enforced: polling, compiling in a child, recording."""
