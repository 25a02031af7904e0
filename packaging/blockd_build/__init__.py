"""How blockd is built: its extension modules, its wheel and sdist, its lock file and what a release consists of."""
