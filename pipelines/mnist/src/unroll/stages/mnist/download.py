"""data: parameters → data/raw/: pictures of digits and their labels, as IDX files."""

from pathlib import Path

import numpy as np

from unroll.base.errors import InputError
from unroll.base.files import find_root, replace_when_done, resolve_location
from unroll.base.process import run_stage
from unroll.data.download import fetch, refuse_html
from unroll.sequences.mnist import MNIST, SOURCES, compute_unpacked_md5, write_idx
from unroll.sequences.params import PictureParams, read_sequence_params

RAW = Path("data/raw")


def main() -> None:
    data = read_sequence_params(PictureParams).data
    if data.dataset == "digits":
        write_digits()
        return
    base = resolve_location(data.url or MNIST, find_root())
    for source in SOURCES:
        location = source.locate(base)
        with replace_when_done(RAW / source.name) as temporary:
            fetch(location, temporary)
            refuse_html(temporary, location)
            found = compute_unpacked_md5(temporary)
            if found != source.unpacked_md5:
                raise InputError(
                    f"{location} has, unpacked, md5 {found}: expected {source.unpacked_md5}, as MNIST's has"
                )
        print(f"download: {source.name}, {(RAW / source.name).stat().st_size:,} bytes")


def write_digits() -> None:
    """Write scikit-learn's digits, 1,797 pictures of 8 by 8 points with 17 levels of grey, in the same format."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    write_idx(RAW / "all-images-idx3-ubyte", digits.images.astype(np.uint8))
    write_idx(RAW / "all-labels-idx1-ubyte", digits.target.astype(np.uint8))
    print(f"download: {len(digits.target):,} pictures that come with scikit-learn")


if __name__ == "__main__":
    run_stage(main, computes=False)
