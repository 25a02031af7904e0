"""The API of the admin port: one table of routes, from which requests are served and the documents are made."""
