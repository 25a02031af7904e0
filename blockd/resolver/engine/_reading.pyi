def read(
    message: bytes, question_size: int
) -> (
    tuple[
        int,
        bool,
        tuple[int, int, int],
        bytes,
        tuple[tuple[int, int], ...],
        int,
        tuple[bytes, ...],
        tuple[bytes, ...],
        tuple[bytes, ...],
        bytes,
    ]
    | None
): ...
