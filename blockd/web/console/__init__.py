"""The console: the page on the admin port for those who run blockd, and for those who answer the phone."""
