"""From new content of a feed to an enforced version: polling, compiling in a child process, recording."""
