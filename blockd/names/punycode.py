# cython: annotation_typing=False
"""Punycode (RFC 3492): labels outside of ASCII as ASCII, in time by a label's length.

The codec of Python's library takes time by the square of it. `punycode.pxd` has the types with which this is compiled.
"""

from __future__ import annotations

from bisect import bisect_left

_BASE, _T_MIN, _T_MAX, _SKEW, _DAMP = 36, 1, 26, 38, 700  # section 5
_INITIAL_BIAS, _INITIAL_N = 72, 0x80
_DIGITS = "abcdefghijklmnopqrstuvwxyz0123456789"


def encode(label: str) -> str:
    """Return a label with at least one character outside of ASCII in Punycode, without the prefix of an A-label."""
    codes = list(map(ord, label))
    others = sorted([(char, place) for place, char in enumerate(codes) if char >= _INITIAL_N])
    basic = [place for place, char in enumerate(codes) if char < _INITIAL_N]
    written = [label[place] for place in basic]
    if written:
        written.append("-")
    handled = basic  # the places of the characters that a decoder has by now, ascending
    code, at, bias, is_first = _INITIAL_N, 0, _INITIAL_BIAS, True
    for char, place in others:
        before = bisect_left(handled, place)
        length = len(handled) + 1
        left = delta = (char - code) * length + before - at
        k = _BASE
        while True:  # a variable-length integer, section 3.3
            threshold = _T_MIN if k <= bias else _T_MAX if k >= bias + _T_MAX else k - bias
            if left < threshold:
                written.append(_DIGITS[left])
                break
            left -= threshold
            written.append(_DIGITS[threshold + left % (_BASE - threshold)])
            left //= _BASE - threshold
            k += _BASE
        bias, is_first = _adapted(delta, length, is_first), False
        handled.insert(before, place)
        code, at = char, before + 1
    return "".join(written)


def _adapted(delta: int, length: int, is_first: bool) -> int:
    """Return the next bias (section 6.1)."""
    delta = delta // _DAMP if is_first else delta // 2
    delta += delta // length
    k = 0
    while delta > (_BASE - _T_MIN) * _T_MAX // 2:
        delta //= _BASE - _T_MIN
        k += _BASE
    return k + (_BASE - _T_MIN + 1) * delta // (delta + _SKEW)
