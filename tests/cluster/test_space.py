"""The ranges of a search: how they are read, and what is taken from them."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from unroll.base.errors import InputError
from unroll.cluster.checks import read_experiments
from unroll.cluster.grid import plan_experiments
from unroll.cluster.search import Search
from unroll.cluster.space import Range, Space, make_distributions, read_space, round_value
from workspaces import ROOT


def test_ranges_are_whole_numbers_numbers_or_choices_and_the_rest_is_fixed() -> None:
    numbers = ["train.learning_rate=0.0005..1e-2:log", "model.hidden_size=32..128", "model.dropout=.1...5"]
    space = read_space(["train.epochs=3", "model.cell=rnn,gru", *numbers, "data.file=../a..b/c.csv"])
    assert space.ranges == (
        Range("model.cell", ("rnn", "gru")),
        Range("model.dropout", (), 0.1, 0.5),
        Range("model.hidden_size", (), 32, 128),
        Range("train.learning_rate", (), 0.0005, 0.01, True),
    )
    assert space.fixed == ("data.file=../a..b/c.csv", "train.epochs=3")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["a=128..32"], "-S a=128..32: expected the lower end first, and a higher one"),
        (["a=1..1"], "-S a=1..1: expected the lower end first, and a higher one"),
        (["a=0..1:log"], "-S a=0..1:log: expected ends above 0 on a logarithmic scale"),
        (["a=1..9:lin"], "-S a=1..9:lin: expected LOW..HIGH or LOW..HIGH:log, with two numbers"),
        (["a=1..many"], "-S a=1..many: expected LOW..HIGH or LOW..HIGH:log, with two numbers"),
        (["a=1..inf"], "-S a=1..inf: expected LOW..HIGH or LOW..HIGH:log, with two numbers"),
        (["+a=1..2"], "-S +a=1..2: expected the name of a parameter in params.yaml"),
        (["a=1..2", "a=3"], "-S a=3: a is there twice: expected one range for each parameter"),
        (["a=1", "b=2"], "nothing to search: expected a range such as -S model.hidden_size=32..128"),
    ],
)
def test_what_is_no_range_is_told(overrides: list[str], message: str) -> None:
    with pytest.raises(InputError) as error:
        read_space(overrides)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.hidden_size=0..64", "params.yaml: model.hidden_size = 0: expected greater than or equal to 1"),
        ("model.hidden_size=8..64.5", "params.yaml: model.hidden_size = 8.0: expected an integer"),
        ("train.learning_rate=0.1..11", "params.yaml: train.learning_rate = 11.0: expected less than or equal to 10"),
        ("model.cell=rnn,gruu", "params.yaml: model.cell = 'gruu': expected 'rnn', 'gru' or 'lstm'"),
    ],
)
def test_each_end_and_each_choice_is_checked_before_anything_runs(override: str, message: str) -> None:
    corners = read_space([override, "train.epochs=1,2,3"]).list_corners()
    with pytest.raises(InputError) as error:
        read_experiments(corners, ROOT / "params.yaml")
    assert str(error.value).endswith(message)


FLOATS = st.floats(1e-12, 1e12)


@given(low=FLOATS, high=FLOATS, share=st.floats(0, 1), is_whole=st.booleans(), is_log=st.booleans())
def test_values_are_in_their_range_short_and_read_as_they_were_written(
    low: Any, high: Any, share: float, is_whole: bool, is_log: bool
) -> None:
    low, high = sorted((low, high))
    if is_whole:
        low, high = int(low) + 1, int(high) + 2
    if low == high:
        return
    (one,) = read_space([f"a={low}..{high}{':log' if is_log else ''}"]).ranges
    assert (one.low, one.high) == (low, high)
    drawn = min(max(low + (high - low) * share, low), high)
    drawn = round(drawn) if is_whole else drawn
    value = round_value(drawn, one)
    assert make_distributions(Space((one,), ()))["a"]._contains(value)
    assert value == drawn if is_whole else value in (low, high) or math.isclose(value, drawn, rel_tol=0.005)
    read = YAML(typ="safe", pure=True).load(str(value))
    assert read == value and type(read) is type(value)


def test_a_trial_is_the_experiment_that_a_grid_has() -> None:
    search = Search(read_space(["model.cell=rnn,gru", "a=1..9", "b=x"]), "val_loss", "c0ffee", "", 1, 4, True)
    (expected,) = plan_experiments([["b=x", "a=3", "model.cell=gru"]], "c0ffee", "")
    assert search.make_experiment({"a": 3, "model.cell": "gru"}) == expected
