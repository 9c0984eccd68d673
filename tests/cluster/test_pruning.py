"""Which trials are pruned, and that it does not matter when one looks."""

import math

from hypothesis import given
from hypothesis import strategies as st

from unroll.cluster.pruning import F1, GRACE, LEAST_CURVES, LOSS, find_limits, find_pruned, read_curve
from workspaces import ROOT

CURVES = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def test_a_trial_must_reach_the_median_of_earlier_ones_at_each_epoch_after_the_first() -> None:
    curves = [[0.1, 0.2, 0.3, 0.2], [0.1, 0.2, 0.5], [0.1, 0.2, 0.6, 0.9], [0.9, 0.1, 0.1, 0.1, 0.95]]
    limits = find_limits(curves, F1)
    # Bests at the third epoch: 0.3, 0.5, 0.6, 0.9; at the fourth 0.3, 0.5, 0.9, 0.9; at the fifth 0.3, 0.5, 0.9, 0.95.
    assert limits[:GRACE] == [-math.inf] * GRACE
    assert [round(limit, 6) for limit in limits[GRACE:]] == [0.55, 0.7, 0.7]
    assert find_pruned([0.0, 0.0, 0.54], limits, F1) == 3
    assert find_pruned([0.0, 0.0, 0.55, 0.6], limits, F1) == 4
    assert find_pruned([0.7, 0.0, 0.0, 0.0, 0.0, 0.0], limits, F1) == 0  # its best is above all limits
    assert find_pruned([0.0, 0.0], limits, F1) == 0


def test_of_losses_the_lower_is_better() -> None:
    limits = find_limits([[3.0, 2.0, 1.0]] * LEAST_CURVES, LOSS)
    assert find_pruned([9.0, 9.0, 1.1], limits, LOSS) == 3
    assert find_pruned([9.0, 9.0, 1.0], limits, LOSS) == 0


def test_few_trials_judge_nobody() -> None:
    assert find_limits([[1.0] * 5] * (LEAST_CURVES - 1), F1) == []


@given(curves=st.lists(CURVES, min_size=LEAST_CURVES, max_size=6), curve=CURVES, seen=st.integers(0, 8))
def test_what_a_part_of_a_curve_shows_the_whole_shows(curves: list[list[float]], curve: list[float], seen: int) -> None:
    for objective in (F1, LOSS):
        limits = find_limits(curves, objective)
        whole = find_pruned(curve, limits, objective)
        part = find_pruned(curve[:seen], limits, objective)
        assert part == (whole if whole <= seen else 0)


def test_curves_are_those_of_validation() -> None:
    history = "epoch,train_loss,val_loss,val_macro_f1\n1,0.5,1.5,0.25\n2,0.4,1.25,0.5\n"
    assert (read_curve(history, F1), read_curve(history, LOSS)) == ([0.25, 0.5], [1.5, 1.25])
    assert "metrics/plots/history.csv" in (ROOT / "dvc.yaml").read_text()
