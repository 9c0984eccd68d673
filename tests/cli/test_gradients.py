"""`unroll gradients`: on texts of one length, an RNN forgets, and its gradient explodes when its weights are large."""

import numpy as np
import pytest

from builders import make_config
from unroll.base.errors import InputError
from unroll.cli.gradients import Reach, check_cells, choose_texts, draw_reaches, measure_reach
from unroll.text.tokens import Tokens


def make_tokens(lengths: list[int]) -> Tokens:
    random = np.random.default_rng(0)
    texts = [random.integers(2, 50, size=length).tolist() for length in lengths]
    return Tokens.from_lists(texts, [row % 2 for row in range(len(lengths))])


def test_texts_are_cut_to_one_length() -> None:
    tokens = make_tokens([5, 60, 3, 70, 80])
    chosen = choose_texts(tokens, 50, 2)
    assert chosen.lengths.tolist() == [50, 50]
    assert chosen.labels.tolist() == [1, 1]
    assert chosen.ids[:50].tolist() == tokens.ids[5:55].tolist()
    with pytest.raises(InputError, match=r"--steps 81: no text of data/tokens has so many tokens, expected 80 at most"):
        choose_texts(tokens, 81, 2)


def test_an_unknown_cell_is_told() -> None:
    check_cells(["rnn", "gru"])
    with pytest.raises(InputError, match="--cell grru: expected one of rnn, gru, lstm"):
        check_cells(["rnn", "grru"])


def test_an_rnns_gradient_vanishes_or_explodes_and_an_lstms_does_so_less() -> None:
    tokens, config = make_tokens([60] * 16), make_config(hidden_size=32)

    def measure(cell: str, gain: float, forget_bias: float = 3.0) -> float:
        return measure_reach(tokens, config, cell, gain, forget_bias, seed=1).ratio

    assert measure("rnn", 1) < 1e-8
    assert measure("lstm", 1, forget_bias=0.0) < 1e-8 < 1e-3 < measure("lstm", 1)
    assert measure("rnn", 6) > 1e5
    assert measure("lstm", 6) < measure("rnn", 6) / 100


def test_the_picture_has_a_line_for_each_cell() -> None:
    reaches = [Reach(cell, gain, [1e-5, 1e-3]) for gain in (1.0, 3.0) for cell in ("rnn", "lstm")]
    figure = draw_reaches(reaches)
    assert [len(axes.get_lines()) for axes in figure.axes] == [2, 2]
