from collections.abc import Iterator

class Ports:
    open: int
    def numbers(self) -> list[int]: ...

class Flights:
    count: int
    late: int
    waiting: int
    launched: int

class Failures:
    def __len__(self) -> int: ...

class Forwarding:
    epoll: int
    is_started: bool
    ports: Ports
    flights: Flights
    failures: Failures
    def remembered(
        self, name: bytes, *, below: bool
    ) -> Iterator[list[tuple[bytes, int, bool, bool, float, bytes]]]: ...
    def stop(self) -> None: ...
    def note_in_flight(self) -> None: ...
    def probe(self, upstream: int, key: bytes, qtype: int) -> bool: ...
