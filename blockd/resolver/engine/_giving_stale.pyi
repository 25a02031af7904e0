from blockd.resolver.engine._cache import NativeCache
from blockd.resolver.engine._engine import NativeEngine

def stale_answer(
    engine: NativeEngine, cache: NativeCache, packet: bytes, host: str, now: float, second: int
) -> bytes | None: ...
