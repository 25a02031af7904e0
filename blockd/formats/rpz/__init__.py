"""Response policy zones as text (draft-vixie-dnsop-dns-rpz): tokens, triggers, rules."""
