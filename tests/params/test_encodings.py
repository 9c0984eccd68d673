"""Names of encodings: what is one of text files, and what is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unroll.params.encodings import find_codec


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("UTF8", "utf-8"),
        ("utf-16", "utf-16"),
        ("windows-1252", "cp1252"),
        ("GB18030", "gb18030"),
        *((name, None) for name in ("", "klingon", "a\0b", "rot13", "base64", "zip", "idna", "undefined")),
        *((name, None) for name in ("utf-7", "unicode_escape", "raw_unicode_escape", "punycode")),
    ],
)
def test_an_encoding_has_one_name(name: str, found: str | None) -> None:
    assert find_codec(name) == found
    assert found is None or find_codec(found) == found


@given(st.text(max_size=20))
def test_any_name_is_known_or_not(name: str) -> None:
    assert find_codec(name) is None or isinstance("".encode(name), bytes)
