"""The Debian package: blockd in an environment of its own below /opt/blockd, and what a service needs beside it."""
