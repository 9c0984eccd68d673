"""Bytes to rows of text: in any encoding, without endless rows, and with a guess where the encoding is a wrong one."""

import codecs
import io
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import pandas as pd
import pyarrow as pa

from unroll.base.errors import InputError
from unroll.data.unpack import Bounded, open_unpacked

LIMIT_BYTES_OF_A_ROW = 2**26
EXCERPT_BYTES = 2**16  # of a file, from which its encoding is guessed
# What tables are in: one encoding for each script and system. Among all that there are, a short text is like too many.
COMMON = ["utf_8", "utf_16", "utf_16_le", "utf_16_be", "utf_32", "utf_32_le", "utf_32_be", "gb18030", "big5", "cp932"]
COMMON += ["euc_jp", "cp949", "koi8_r", "cp874", *(f"cp{number}" for number in range(1250, 1258))]
_BYTE_ORDER_MARK = "\ufeff"


def decode_lines(path: Path, unpacked: io.BufferedIOBase, encoding: str, advice: str) -> tuple[Bounded, Iterator[str]]:
    """Return the stream that bounds a file's rows, whose `size` is to be set to 0 after each, and the file's lines.

    Bytes that are not in the encoding become surrogates where they can (`check_decoded`), else they raise UnicodeError.
    advice: for a row of more than `LIMIT_BYTES_OF_A_ROW`.
    """
    complaint = f"{path} has a row of more than {LIMIT_BYTES_OF_A_ROW:,} bytes: {advice}"
    file = Bounded(unpacked, LIMIT_BYTES_OF_A_ROW, complaint)
    lines = io.TextIOWrapper(io.BufferedReader(file), encoding=encoding, errors="surrogateescape", newline="")
    return file, chain([next(lines, "").removeprefix(_BYTE_ORDER_MARK)], lines)


def make_chunk(rows: Sequence[Sequence[str]], names: Sequence[str]) -> pd.DataFrame:
    """Return rows as a table of text; raise UnicodeEncodeError if there are surrogates in it."""
    columns = zip(*rows, strict=True)
    return pa.table([pa.array(column, pa.string()) for column in columns], names=names).to_pandas().astype(str)


def check_decoded(path: Path, place: str, fields: Sequence[str], encoding: str) -> None:
    """Raise InputError if a byte of the fields is not in the encoding."""
    bad = next((character for character in "".join(fields) if "\udc80" <= character <= "\udcff"), None)
    if bad:
        byte = ord(bad) - 0xDC00
        raise InputError(f"{path}, {place}: byte 0x{byte:02x} is not {encoding.upper()}; {advise(path, encoding)}")


def advise(path: Path, encoding: str) -> str:
    """Return what to do about a file that is not in this encoding."""
    guess = guess_encoding(path)
    seems = f"the file seems to be {guess}: set data.encoding or --encoding to that, or " if guess else ""
    return f"{seems if guess != encoding else ''}save the file as UTF-8"


def guess_encoding(path: Path) -> str | None:
    """Return the encoding that the beginning of a file is most likely in, as Python names it; None if there is none."""
    from charset_normalizer import from_bytes  # imported here: only for a message, which most runs do not need

    with open_unpacked(path) as file:
        excerpt = file.read(EXCERPT_BYTES)
    if len(excerpt) == EXCERPT_BYTES:  # no half characters at its end
        excerpt = excerpt[: excerpt.rfind(b"\n")]
    text = excerpt.decode(errors="replace")
    wrong = text.count("\ufffd")
    if sum(character > "\x7f" for character in text) > 2 * wrong:
        return "utf-8"  # with a few bytes that are not
    best = from_bytes(excerpt, cp_isolation=COMMON).best()
    if best is None:
        return None
    # Of encodings in which the excerpt is the same text, the most common one.
    return codecs.lookup("cp1252" if "cp1252" in best.could_be_from_charset else best.encoding).name
