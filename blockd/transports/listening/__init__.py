"""Sockets that are listened on: how one is bound, how workers share an address, how another config changes them."""
