"""An authority's keys: their files and references, the roles that are signed online, and their rotation."""
