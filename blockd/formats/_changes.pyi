from mmap import mmap

Changed = tuple[int, int, int, int, int, int]

def changed_lines(old: bytes | mmap, new: bytes | mmap, limit: int) -> list[Changed] | None: ...
