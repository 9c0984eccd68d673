"""Splits: stratified, seeded, and complete."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unroll.base.errors import InputError
from unroll.base.parts import Workers
from unroll.params.common import SPLIT_NAMES
from unroll.params.texts import SplitParams
from unroll.stages.split import (
    HELD_OUT,
    assign_splits,
    check_classes,
    choose_shares,
    find_seen,
    place_part,
    place_texts,
    withhold_contexts,
    write_excerpts,
)

SHARES = SplitParams(method="random", train=0.7, val=0.15, test=0.15, seed=1, context_words=0)
PLACES = [0.9057385498922612, 0.240657890705386, 0.11980770872965396]
LABELS = st.lists(st.integers(3, 60), min_size=1, max_size=6).flatmap(
    lambda sizes: st.permutations([label for label, size in enumerate(sizes) for _ in range(size)])
)


def assign(labels: list, is_test: list[bool] | None = None, **changes: object) -> np.ndarray:
    is_test = [False] * len(labels) if is_test is None else is_test
    class_names, numbers = np.unique(labels, return_inverse=True)
    params = SHARES.model_copy(update=changes)
    return assign_splits(
        numbers, class_names.tolist(), np.array(is_test), choose_shares(any(is_test), params), params.seed
    )


@given(LABELS, st.integers(0, 9))
def test_every_class_has_its_share_of_every_split(labels: list[int], seed: int) -> None:
    splits = assign(labels, seed=seed)
    for label in set(labels):
        own = splits[np.array(labels) == label]
        for split, share in enumerate((0.7, 0.15, 0.15)):
            count = (own == split).sum()
            assert count >= 1
            assert abs(count - share * len(own)) < 1 or len(own) < 14  # small classes: at least one in each


def test_the_seed_decides() -> None:
    labels = ["a", "b"] * 100
    assert (assign(labels) == assign(labels)).all()
    assert (assign(labels) != assign(labels, seed=2)).any()


def test_rows_are_shuffled() -> None:
    splits = assign(["a"] * 50 + ["b"] * 50)
    test_rows = np.flatnonzero(splits == SPLIT_NAMES.index("test"))
    assert np.ptp(test_rows[test_rows < 50]) > 20


def test_an_official_test_split_is_kept() -> None:
    is_test = [False, True] * 50
    splits = assign(["a", "a", "b", "b"] * 25, is_test)
    assert ((splits == SPLIT_NAMES.index("test")) == np.array(is_test)).all()
    assert (splits == SPLIT_NAMES.index("train")).sum() == 42  # two classes of 25, each 25 × 0.7 / 0.85 = 20.6
    assert (splits == SPLIT_NAMES.index("val")).sum() == 8


@pytest.mark.parametrize(
    ("labels", "is_test", "message"),
    [
        (["a"] * 9 + ["b"] * 2, None, "class 'b' has 2 rows to split 3 ways, expected at least 3"),
        (["a", "a", "a", "b"], [False, False, True, True], "class 'b' has 0 rows to split 2 ways, expected at least 2"),
    ],
)
def test_classes_that_are_too_small(labels: list[str], is_test: list[bool] | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        assign(labels, is_test)


def assign_hashed(texts: list[str], labels: list[str], is_test: list[bool] | None = None, seed: int = 1) -> np.ndarray:
    is_test = [False] * len(labels) if is_test is None else is_test
    parts = ["test" if chosen else "train" for chosen in is_test]
    batch = pa.RecordBatch.from_pydict({"text": texts, "label": labels, "part": parts})
    shares = choose_shares(any(is_test), SHARES)
    splits, counts = place_part(batch, shares, seed)
    check_classes(counts, len(shares))
    return splits


def test_the_place_of_a_text_is_the_same_for_ever() -> None:
    """Python's own hashes differ from process to process, those of libraries from version to version."""
    places = place_texts(["shares fall", "zwölf 東京 teams", ""], seed=1)
    assert places.tolist() == PLACES
    assert place_texts(["shares fall"], seed=2) != places[0]


def test_hashed_splits_have_their_shares_in_expectation() -> None:
    texts = [f"text {number}" for number in range(20_000)]
    splits = assign_hashed(texts, ["a", "b"] * 10_000)
    shares = np.bincount(splits) / len(texts)
    np.testing.assert_allclose(shares, [0.7, 0.15, 0.15], atol=0.013)  # four standard deviations
    assert (splits != assign_hashed(texts, ["a", "b"] * 10_000, seed=2)).any()


def test_an_official_test_split_is_kept_when_the_others_are_hashed() -> None:
    texts = [f"text {number}" for number in range(20_000)]
    is_test = [False, False, True, True] * 5_000
    splits = assign_hashed(texts, ["a", "b"] * 10_000, is_test)
    assert ((splits == SPLIT_NAMES.index("test")) == np.array(is_test)).all()
    np.testing.assert_allclose((splits == SPLIT_NAMES.index("train")).sum() / 10_000, 0.7 / 0.85, atol=0.016)


@pytest.mark.parametrize(
    ("is_test", "found"),
    [(None, "none of its 2 rows in (train|val|test)"), ([False] * 61 + [True], "none of its 1 rows in (train|val)")],
)
def test_a_class_that_hashing_leaves_without_a_row(is_test: list[bool] | None, found: str) -> None:
    texts, labels = [f"text {number}" for number in range(62)], ["a"] * 60 + ["b"] * 2
    message = f"class 'b' has {found} with split.method = 'hash': expected .* add rows, or use split.method = random"
    with pytest.raises(InputError, match=message):
        assign_hashed(texts, labels, is_test)


@given(st.lists(st.tuples(st.integers(0, 200), st.booleans())), st.integers(1, 9))
def test_texts_that_are_held_out_too_are_found_wherever_they_stand(texts: list[tuple[int, bool]], size: int) -> None:
    """In whatever batch, and in whatever file of records."""
    keys = np.array([key for key, _ in texts], dtype=np.uint64)
    numbers = np.array(
        [HELD_OUT if is_held_out else number for number, (_, is_held_out) in enumerate(texts)], dtype=int
    )
    batches = [(keys[first : first + size], numbers[first : first + size]) for first in range(0, len(texts), size)]
    with TemporaryDirectory() as name:
        found = sorted(number for part in find_seen(Path(name, "keys"), batches) for number in part)
    held_out = {key for key, is_held_out in texts if is_held_out}
    assert found == [number for number, (key, is_held_out) in enumerate(texts) if not is_held_out and key in held_out]


def test_contexts_that_validation_or_test_hold_are_withheld_from_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [
        ("a", "only here", "train"),
        ("b", "twice", "train"),
        ("c", "twice", "val"),
        ("d", "e", "train"),  # a text of the test split
        ("e", "its own", "test"),
        ("f", "", "train"),
        ("g", "", "test"),
    ]
    texts, contexts, names = zip(*rows, strict=True)
    Path("data/clean").mkdir(parents=True)
    pq.write_table(pa.table({"text": texts, "context": contexts}), "data/clean/rows.parquet", row_group_size=2)
    splits = np.array([SPLIT_NAMES.index(name) for name in names], dtype=np.int8)
    withheld = withhold_contexts(tmp_path, splits, Workers())
    assert withheld.tolist() == [False, True, True, True, True, False, True]


@pytest.mark.parametrize(
    ("words", "excerpts"),
    [
        (2, [("shares fell", "a"), ("late", "b")]),  # "a goal" is a text of another split
        (3, [("shares fell on", "a"), ("a goal in", "b"), ("late", "b")]),
        (0, []),
    ],
)
def test_excerpts_are_the_first_words_of_contexts_and_no_text_of_another_split(
    words: int, excerpts: list[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data/splits").mkdir(parents=True)
    contexts = ["shares fell on Monday", "", "a goal in overtime", "late"]
    pq.write_table(pa.table({"context": contexts, "label": ["a", "a", "b", "b"]}), "data/splits/train.parquet")
    for name, texts in (("val", ["a goal"]), ("test", ["fell on"])):
        pq.write_table(pa.table({"text": texts}), f"data/splits/{name}.parquet")
    write_excerpts(words, tmp_path)
    table = pq.read_table("data/splits/excerpts.parquet")
    assert list(zip(*table.to_pydict().values(), strict=True)) == excerpts
