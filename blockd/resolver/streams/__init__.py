"""Kept, pipelined connections to upstreams: over TCP (RFC 7766), TLS (RFC 7858) and HTTPS (RFC 8484)."""

from blockd.resolver.streams.listener import FailureKind, StreamListener
from blockd.resolver.streams.options import StreamOptions
from blockd.resolver.streams.padding import padded
from blockd.resolver.streams.scope import NoSuchInterface, socket_address
from blockd.resolver.streams.single import ask_over_stream
from blockd.resolver.streams.stream import Stream

__all__ = [
    "FailureKind",
    "NoSuchInterface",
    "Stream",
    "StreamListener",
    "StreamOptions",
    "ask_over_stream",
    "padded",
    "socket_address",
]
