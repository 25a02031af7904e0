"""What an answer is composed of: which records it keeps, and those of one name behind the CNAME of another."""
