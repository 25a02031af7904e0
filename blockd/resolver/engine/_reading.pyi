ANSWER: int
TRUNCATED: int
FAILURE: int
MALFORMED: int
TOO_FAR: int
TOO_LONG: int

def read(
    message: bytes, question_size: int, do: bool = False
) -> tuple[
    int,
    int,
    bool,
    bool,
    tuple[int, int, int],
    bytes,
    tuple[tuple[int, int], ...],
    int,
    tuple[bytes, ...],
    tuple[bytes, ...],
    tuple[bytes, ...],
    tuple[bytes, ...],
    bytes,
]: ...
def header_only(message: bytes) -> bool: ...
