"""Encodings of text files, by the names that Python has for them."""

import codecs
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

EXPECTED = "the name of an encoding, such as utf-8, utf-16, cp1252 or gb18030"
# Encodings of names and of source code; what they decode need not even be text.
NOT_OF_FILES = ("idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7")


def find_codec(name: str) -> str | None:
    """Return the one name of an encoding that may have several, or None if there is no such encoding of text files."""
    try:
        codec = codecs.lookup(name)
    except (LookupError, ValueError):  # also a name that cannot be one: with a NUL character, for example
        return None
    of_text = codec._is_text_encoding  # what open() asks, too: base64 and zip are not
    return codec.name if of_text and codec.name not in NOT_OF_FILES else None


def check_encoding(name: str) -> str:
    """Return the encoding's one name; raise PydanticCustomError if there is no such encoding."""
    found = find_codec(name)
    if found is None:
        raise PydanticCustomError("encoding", EXPECTED)
    return found


Encoding = Annotated[str, AfterValidator(check_encoding)]
