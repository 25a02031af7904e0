from collections.abc import Sequence

class Flights:
    count: int
    waiting: int
    def use(self, descriptors: Sequence[int]) -> None: ...
    def replace(self, index: int, descriptor: int) -> bool: ...
