"""Batches: every text once, its own tokens, and padding only where lengths differ."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unroll.models.batches import choose_batch_size, iterate_batches, make_batch, plan_batches
from unroll.text.tokens import PADDING_ID, Tokens

CPU = torch.device("cpu")
LENGTHS = st.lists(st.integers(1, 12), min_size=1, max_size=120)


def make_tokens(lengths: list[int]) -> Tokens:
    """Texts whose ids show their row: row i holds 100·i + 2, 100·i + 3, …"""
    return Tokens.from_lists(
        [[100 * row + 2 + n for n in range(length)] for row, length in enumerate(lengths)], lengths
    )


@given(LENGTHS, st.integers(1, 9), st.booleans())
def test_every_row_once_and_no_batch_too_large(lengths: list[int], batch_size: int, shuffled: bool) -> None:
    random = np.random.default_rng(0) if shuffled else None
    batches = plan_batches(np.array(lengths), batch_size, random)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= batch_size for batch in batches)


@given(LENGTHS, st.integers(1, 9))
def test_only_leftovers_are_padded(lengths: list[int], batch_size: int) -> None:
    batches = plan_batches(np.array(lengths), batch_size)
    mixed = [batch for batch in batches if len({lengths[row] for row in batch}) > 1]
    for length in set(lengths):
        rows_in_mixed = sum(lengths[row] == length for batch in mixed for row in batch)
        assert rows_in_mixed < batch_size  # else they could have filled a batch of their own
    # Leftovers are in order of length, so a longer text never stands in an earlier batch than a shorter one.
    ranges = sorted((min(lengths[row] for row in batch), max(lengths[row] for row in batch)) for batch in mixed)
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(ranges))


@given(LENGTHS, st.integers(1, 9))
def test_batches_hold_the_texts_of_their_rows(lengths: list[int], batch_size: int) -> None:
    tokens = make_tokens(lengths)
    for batch in iterate_batches(tokens, batch_size, CPU, np.random.default_rng(1)):
        widths = [lengths[row] for row in batch.rows]
        assert batch.inputs.shape == (len(widths), max(widths))
        assert (batch.lengths is None) == (len(set(widths)) == 1)
        assert batch.lengths is None or batch.lengths.tolist() == widths
        for row, ids, width, label in zip(
            batch.rows, batch.inputs.tolist(), widths, batch.targets.tolist(), strict=True
        ):
            assert ids[:width] == [100 * row + 2 + n for n in range(width)]
            assert ids[width:] == [PADDING_ID] * (len(ids) - width)
            assert label == width


def test_the_order_is_random_and_repeats_with_its_seed() -> None:
    lengths = np.array([3, 5] * 100)
    plans = [plan_batches(lengths, 8, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    as_lists = [[batch.tolist() for batch in plan] for plan in plans]
    assert as_lists[0] == as_lists[1] != as_lists[2]
    mates = [{frozenset(batch) for batch in plan} for plan in as_lists]
    assert len(mates[0] & mates[2]) < 3  # not the same batches in another order
    lengths_of_batches = [lengths[batch[0]] for batch in plans[0]]
    assert lengths_of_batches != sorted(lengths_of_batches)  # not all short texts first


def test_batches_come_in_random_order_only_if_asked_for() -> None:
    tokens = make_tokens([3, 5] * 100)
    orders = [
        [batch.rows.tolist() for batch in iterate_batches(tokens, 8, CPU, random)]
        for random in (None, None, np.random.default_rng(1))
    ]
    assert orders[0] == orders[1] != orders[2]


def test_headlines_are_hardly_padded_and_long_texts_fill_batches_too() -> None:
    random = np.random.default_rng(0)
    headlines = random.integers(3, 15, size=2000)
    padded = [batch for batch in plan_batches(headlines, 32) if len(set(headlines[batch])) > 1]
    assert sum(map(len, padded)) < 0.1 * len(headlines)
    reviews = random.integers(50, 2000, size=2000)
    assert len(plan_batches(reviews, 32)) == 63  # as many as if lengths did not matter


def test_one_text_alone() -> None:
    batch = make_batch(make_tokens([4]), np.array([0]))
    assert batch.inputs.tolist() == [[2, 3, 4, 5]]
    assert batch.lengths is None


@pytest.mark.parametrize(("rows", "size"), [(1, 2), (448, 32), (2016, 64), (14_000, 256), (33_933, 512)])
def test_more_rows_make_larger_batches(rows: int, size: int) -> None:
    assert choose_batch_size("auto", rows) == size
    assert choose_batch_size(7, rows) == 7
