"""Bad files that cannot be written as text in inputs.yaml, which names the functions that make them."""

import gzip
import io
import json
import os
import struct
import tarfile
import zipfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import load_file, save_file

TABLE = b"text,label\n" + b"".join(b"Shares fall %d times,Business\n" % number for number in range(500))
VECTORS = b"king 1 2\nqueen 2 1\n"
IDX_IMAGES = b"\0\0\x08\x03" + struct.pack(">3I", 2, 8, 8) + bytes(128)
IDX_LABELS = b"\0\0\x08\x01" + struct.pack(">I", 2) + b"\1\2"


# Tables and parameter files.


def folder(path: Path) -> None:
    path.mkdir()


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def nul_bytes(path: Path) -> None:
    path.write_bytes(bytes(20))


def random_bytes(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(1000))


def utf16(path: Path) -> None:
    path.write_bytes(TABLE.decode().encode("utf-16"))


def utf16_without_mark(path: Path) -> None:
    path.write_bytes(TABLE.decode().encode("utf-16-be"))


def utf16_cut_short(path: Path) -> None:
    path.write_bytes(TABLE.decode().encode("utf-16")[:-1])


def gb18030(path: Path) -> None:
    rows = "".join(
        f"{text},{label}\n" for text, label in (("列车晚点了一个小时", "旅行"), ("这家餐馆的汤太咸了", "美食"))
    )
    path.write_bytes(f"text,label\n{rows}".encode("gb18030"))


def code_page_1252_with_a_hole(path: Path) -> None:
    path.write_bytes("text,label\nCafé wins,World\n".encode("cp1252") + b"A \x81 one,World\n")


def objects_in_utf16(path: Path) -> None:
    path.write_bytes('{"text": "Café", "label": "World"}\n'.encode("utf-16"))


def lists_in_an_object(path: Path) -> None:
    path.write_text('{"text": ' + "[" * 100_000)


def truncated_gzip_of_objects(path: Path) -> None:
    path.write_bytes(gzip.compress(b'{"text": "Shares fall", "label": "Business"}\n' * 500)[:-20])


def three_classes(path: Path) -> None:
    rows = "".join(f"Headline {number},{number % 3}\n" for number in range(60))
    path.write_text(f"text,label\n{rows}")


def latin1(path: Path) -> None:
    path.write_bytes("text,label\nA good one,World\nCafé wins,World\n".encode("latin-1"))


def half_a_character_pair(path: Path) -> None:
    path.write_bytes(b"text,label\n\xed\xa0\x80,World\n")


def huge_field_without_end(path: Path) -> None:
    path.write_bytes(b'text,label\nA,World\n"' + b"x" * 10_000_000)


def hundred_thousand_nested_lists(path: Path) -> None:
    path.write_bytes(b"data: " + b"[" * 90_000)


def ten_megabytes(path: Path) -> None:
    path.write_bytes(b"data:\n" + b"  dataset: sample  # and so on\n" * 320_000)


def billion_laughs(path: Path) -> None:
    path.write_text(laugh() + "data: *k\n")


def ordered_billion_laughs(path: Path) -> None:
    path.write_text(laugh() + "data: {dataset: !!omap [x: *k]}\n")


def laugh() -> str:
    lines = [f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in pairwise("abcdefghijk")]
    return "a: &a [lol, lol, lol]\n" + "".join(lines)


def integer_of_5000_digits(path: Path) -> None:
    path.write_text(f"data: {'9' * 5000}\n")


def hexadecimal_integer_of_5000_digits(path: Path) -> None:
    path.write_text(f"data: 0x{'f' * 5000}\n")


def path_of_5000_letters(path: Path) -> None:
    path.write_text(path.read_text().replace("  file: data/sample", f"  file: /{'a' * 5000}.csv", 1))


# Gzip.


def truncated_gzip(path: Path) -> None:
    path.write_bytes(gzip.compress(TABLE)[:-20])


def gzip_and_garbage(path: Path) -> None:
    path.write_bytes(gzip.compress(TABLE) + b"garbage")


def gzip_of_wrong_checksum(path: Path) -> None:
    whole = gzip.compress(TABLE)
    path.write_bytes(whole[:-8] + bytes(4) + whole[-4:])


def plain_table(path: Path) -> None:
    path.write_bytes(TABLE)


def gzip_of_table(path: Path) -> None:
    path.write_bytes(gzip.compress(TABLE))


def gzip_of_gzip(path: Path) -> None:
    path.write_bytes(gzip.compress(gzip.compress(TABLE)))


# Parquet.


def write_parquet(path: Path, **columns: object) -> None:
    pq.write_table(pa.table(columns), path)


def truncated_parquet(path: Path) -> None:
    write_parquet(path, text=["A"] * 100, label=["World"] * 100)
    path.write_bytes(path.read_bytes()[:-30])


def parquet_of_other_columns(path: Path) -> None:
    write_parquet(path, headline=["A"], topic=["World"])


def parquet_of_bytes(path: Path) -> None:
    write_parquet(path, text=pa.array([b"\xff"]), label=["World"])


def parquet_of_text_that_is_not_utf8(path: Path) -> None:
    offsets, content = np.array([0, 2], dtype=np.int32), b"\xff\xfe"
    write_parquet(path, text=pa.StringArray.from_buffers(1, pa.py_buffer(offsets), pa.py_buffer(content)), label=["x"])


def parquet_with_two_columns_of_one_name(path: Path) -> None:
    pq.write_table(pa.table([["A"], ["B"], ["World"]], names=["text", "text", "label"]), path)


def parquet_without_rows(path: Path) -> None:
    write_parquet(path, text=pa.array([], pa.string()), label=pa.array([], pa.string()))


def parquet_without_columns(path: Path) -> None:
    write_parquet(path)


def parquet_of_nested_labels(path: Path) -> None:
    write_parquet(path, text=[f"Text {word}" for word in "abcdef"], label=[[{"name": "World"}]] * 6)


def parquet_of_lists_of_words(path: Path) -> None:
    write_parquet(path, text=[["A", "text"], ["B"]], label=["World", "Sports"])


def parquet_of_labels_that_are_missing(path: Path) -> None:
    write_parquet(
        path, text=[f"Text {word}" for word in "abcdef"], label=[1.0] * 3 + [None, float("nan"), float("nan")]
    )


def parquet_of_nothing(path: Path) -> None:
    write_parquet(path, text=pa.nulls(2), label=["World", "Sports"])


# Tar.


def write_tar(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))
    path.write_bytes(gzip.compress(target.getvalue()))


def make_member(name: str, content: bytes = b"", **changes: object) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for attribute, value in changes.items():
        setattr(member, attribute, value)
    return member, content


REVIEW = "aclImdb/train/neg/1_1.txt"


def tar_slip(path: Path) -> None:
    write_tar(path, make_member("aclImdb/../../../etc/cron.d/x", b"x"))


def tar_of_an_absolute_name(path: Path) -> None:
    write_tar(path, make_member("/etc/\x1b[31mpasswd", b"x"))


def tar_symlink(path: Path) -> None:
    write_tar(path, make_member(REVIEW, type=tarfile.SYMTYPE, linkname="/etc/passwd"))


def tar_hard_link(path: Path) -> None:
    write_tar(path, make_member(REVIEW, type=tarfile.LNKTYPE, linkname="/etc/passwd"))


def tar_device(path: Path) -> None:
    write_tar(path, make_member(REVIEW, type=tarfile.CHRTYPE, devmajor=1, devminor=5))


def tar_bomb(path: Path) -> None:
    path.write_bytes(gzip.compress(make_member("aclImdb/x", size=2**40)[0].tobuf(tarfile.GNU_FORMAT)))


def tar_of_a_huge_review(path: Path) -> None:
    write_tar(path, make_member(REVIEW, bytes(2**20 + 1)))


def tar_of_latin1(path: Path) -> None:
    write_tar(path, make_member(REVIEW, b"na\xefve"))


def truncated_tar(path: Path) -> None:
    write_tar(path, make_member(REVIEW, b"Good " * 1000))
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:2000]))


# Zip, and word vectors.


def write_zip(path: Path, method: int = zipfile.ZIP_DEFLATED, **members: bytes) -> None:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def zip_slip(path: Path) -> None:
    write_zip(path, **{"../../evil.txt": VECTORS, "/etc/\x1b[2Jpasswd.txt": VECTORS})


def zip_without_text(path: Path) -> None:
    write_zip(path, **{"readme.md": b"none"})


def zip_packed_in_a_rare_way(path: Path) -> None:
    write_zip(path, zipfile.ZIP_LZMA, **{"a.txt": VECTORS})


def encrypted_zip(path: Path) -> None:
    write_zip(path, **{"a.txt": VECTORS})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)


def truncated_zip(path: Path) -> None:
    write_zip(path, **{"a.txt": VECTORS * 100})
    path.write_bytes(path.read_bytes()[:-40])


def glove_of_a_line_without_end(path: Path) -> None:
    path.write_bytes(b"king " + b"1" * 3_000_000)


def glove_latin1(path: Path) -> None:
    path.write_bytes(VECTORS + b"caf\xe9 1 2\n")


def word2vec_binary(path: Path) -> None:
    rows = [f"word{n} ".encode() + struct.pack("<2f", n, 0.5) for n in range(20)]
    path.write_bytes(b"20 2\n" + b"".join(rows))


# IDX.


def idx_images(path: Path) -> None:
    path.write_bytes(IDX_IMAGES)


def idx_labels(path: Path) -> None:
    path.write_bytes(IDX_LABELS)


def idx_wrong_magic(path: Path) -> None:
    path.write_bytes(b"PNG?" + IDX_IMAGES[4:])


def idx_of_floats(path: Path) -> None:
    path.write_bytes(b"\0\0\x0d\x03" + IDX_IMAGES[4:])


def idx_truncated(path: Path) -> None:
    path.write_bytes(IDX_IMAGES[:-1])


def idx_ends_in_its_header(path: Path) -> None:
    path.write_bytes(IDX_IMAGES[:9])


def idx_too_long(path: Path) -> None:
    path.write_bytes(IDX_IMAGES + b"more")


def idx_promises_exabytes(path: Path) -> None:
    path.write_bytes(b"\0\0\x08\x03" + b"\xff" * 12)


def idx_label_12(path: Path) -> None:
    path.write_bytes(IDX_LABELS[:-1] + b"\x0c")


def idx_of_three_labels(path: Path) -> None:
    path.write_bytes(b"\0\0\x08\x01" + struct.pack(">I", 3) + b"\1\2\3")


# models/: made from the files that are there.


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def first_ten_bytes(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:10])


def pickled(path: Path) -> None:
    path.write_bytes(b"\x80\x04cos\nsystem\n(S'true'\ntR.")


def weights_that_are_no_numbers(path: Path) -> None:
    save_file({name: np.full_like(weight, np.nan) for name, weight in load_file(path).items()}, path)


def weights_in_half_precision(path: Path) -> None:
    save_file({name: weight.astype(np.float16) for name, weight in load_file(path).items()}, path)


def weights_of_an_unknown_type(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"F32"', b'"F99"'))


def header_of_an_exabyte(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", 2**60) + b"{}")


def nested_without_end(path: Path) -> None:
    path.write_bytes(b"[" * 200_000)


def without_greatest_length(path: Path) -> None:
    _change_json(path, truncation=None)


def overlapping_parts(path: Path) -> None:
    _change_json(path, truncation=json.loads(path.read_text())["truncation"] | {"stride": 1_000})


def ids_beyond_the_vocabulary(path: Path) -> None:
    tokenizer = json.loads(path.read_text())
    tokenizer["model"]["vocab"]["fall"] = 4_000_000_000
    path.write_text(json.dumps(tokenizer))


def of_an_unknown_kind(path: Path) -> None:
    _change_json(path, model={"type": "Oracle", "vocab": {}})


def _change_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
