"""DNS over HTTPS (RFC 8484), over HTTP/2 and HTTP/1.1."""
