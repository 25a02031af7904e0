"""Files that are put in place of a list by mistake, told by how they begin: each is named for what it is."""

from __future__ import annotations

ARCHIVE = "Have it published as text, or as text packed with gzip, xz or zst."
ONCE = "Have it packed once."
DOCUMENT = "Export its names as plain text."
ENCODED = "Save it as UTF-8."

# The first octets, what such a file is, and what to do.
_BEGINNINGS: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a zip archive, or a spreadsheet or document that is one", ARCHIVE),
    (b"PK\x05\x06", "an empty zip archive", ARCHIVE),
    (b"\x1f\x8b", "packed twice, with a gzip archive inside", ONCE),
    (b"\xfd7zXZ\0", "packed twice, with an xz archive inside", ONCE),
    (b"\x28\xb5\x2f\xfd", "packed twice, with a zst archive inside", ONCE),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", ARCHIVE),
    (b"Rar!\x1a\x07", "a rar archive", ARCHIVE),
    (b"LZIP", "an lzip archive", ARCHIVE),
    (b"\x5d\x00\x00", "an archive in the old lzma format", ARCHIVE),
    (b"\x1f\x9d", "an archive of compress (.Z)", ARCHIVE),
    (b"\x04\x22\x4d\x18", "an lz4 archive", ARCHIVE),
    (b"MSCF\0", "a Windows cabinet", ARCHIVE),
    (b"!<arch>\n", "an ar archive, such as a Debian package", ARCHIVE),
    (b"%PDF-", "a PDF document", DOCUMENT),
    (b"{\\rtf", "an RTF document", DOCUMENT),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Word or Excel document", DOCUMENT),
    (b"SQLite format 3\0", "an SQLite database", DOCUMENT),
    (b"\x89PNG\r\n", "a picture", DOCUMENT),
    (b"\xff\xd8\xff", "a picture", DOCUMENT),
    (b"GIF8", "a picture", DOCUMENT),
    (b"\x7fELF", "a program", DOCUMENT),
    (b"\xff\xfe\0\0", "text in UTF-32", ENCODED),
    (b"\xff\xfe", "text in UTF-16", ENCODED),
    (b"\xfe\xff", "text in UTF-16", ENCODED),
)
_BZIP2 = (b"1AY&SY", b"\x17rE8P\x90")  # at octet 4, behind BZh and a digit: a block, or the end of an empty file
_TAR_AT = 257  # where a header block has `ustar` (POSIX.1-1988)
_BROTLI_SUFFIX = ".br"  # the format has no sign of its own (RFC 7932)
_WIDE = 64  # octets by which text in UTF-16 without a byte order mark is told
_TEXT = frozenset(b"\t\n\r" + bytes(range(32, 127)))


def foreign_form(head: bytes, source: str) -> tuple[str, str] | None:
    """Return what a file that begins with `head` is, if it is of a known kind that is not a list, and the remedy.

    `source` is its path or URL: of brotli, which does not begin in a way of its own, the name must say so too.
    """
    for beginning, what, remedy in _BEGINNINGS:
        if head.startswith(beginning):
            return what, remedy
    if head.startswith(b"BZh") and head[4:10] in _BZIP2:
        return "a bzip2 archive", ARCHIVE
    if head[_TAR_AT : _TAR_AT + 5] == b"ustar":
        return "a tar archive", ARCHIVE
    for text, zeros in ((head[:_WIDE:2], head[1:_WIDE:2]), (head[1:_WIDE:2], head[:_WIDE:2])):
        if len(head) > 1 and not any(zeros) and _TEXT.issuperset(text):
            return "text in UTF-16", ENCODED
    if source.endswith(_BROTLI_SUFFIX) and not _TEXT.issuperset(head[:64]):
        return "packed with brotli", ARCHIVE
    return None
