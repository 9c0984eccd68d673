"""Grids of experiments, and their names."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unroll.base.errors import InputError
from unroll.cluster.grid import (
    Experiment,
    expand_grid,
    name_experiment,
    plan_experiments,
    plan_preparations,
    read_grids,
    split_stages,
)
from workspaces import ROOT, STAGES

STAGES_BEFORE, PARAMS = split_stages(ROOT / "dvc.yaml")
OVERRIDES = st.lists(st.tuples(st.sampled_from(["a.b", "c"]), st.sampled_from("123")), max_size=3).map(
    lambda pairs: tuple(sorted(f"{name}={value}" for name, value in pairs))
)


def test_a_grid_has_every_combination_as_dvcs_queue_has() -> None:
    assert expand_grid(["model.cell=rnn,gru", "train.seed=range(1,3)", "data.url='a,b'"]) == [
        ("model.cell=rnn", "train.seed=1", "data.url='a,b'"),
        ("model.cell=rnn", "train.seed=2", "data.url='a,b'"),
        ("model.cell=gru", "train.seed=1", "data.url='a,b'"),
        ("model.cell=gru", "train.seed=2", "data.url='a,b'"),
    ]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.cell", "-S model.cell: expected NAME=VALUE or NAME=VALUE,VALUE"),
        ("train.dropout=interval(0,1)", "expected values that can be counted, such as NAME=1,2,3"),
    ],
)
def test_what_is_no_grid_is_told(override: str, message: str) -> None:
    with pytest.raises(InputError, match="-S") as error:
        expand_grid([override])
    assert message in str(error.value)


def test_experiments_of_several_grids_are_there_once() -> None:
    grids = [["cell=rnn,gru", "seed=1"], ["seed=1", "cell=gru"], ["cell=lstm"]]
    found = [experiment.overrides for experiment in plan_experiments(grids, "c0ffee", "")]
    assert found == [("cell=rnn", "seed=1"), ("cell=gru", "seed=1"), ("cell=lstm",)]


@given(OVERRIDES, OVERRIDES, st.sampled_from(["c0ffee", "beef"]), st.sampled_from(["", "pipelines/sine/"]))
def test_a_name_stands_for_commit_pipeline_and_overrides(
    first: tuple[str, ...], second: tuple[str, ...], commit: str, folder: str
) -> None:
    same = (first, "c0ffee", "") == (second, commit, folder)
    assert (name_experiment(first, "c0ffee", "") == name_experiment(second, commit, folder)) == same


def test_a_name_is_readable_and_one_that_git_allows() -> None:
    (one,) = plan_experiments([["train.seed=2", "data.url='https://host/~a b..c'"]], "c0ffee", "")
    assert one == Experiment(
        "https-host-a-b..c-2-" + one.name[-7:], ("data.url='https://host/~a b..c'", "train.seed=2")
    )


def test_a_file_has_a_grid_on_each_line(tmp_path: Path) -> None:
    file = tmp_path / "grids"
    file.write_text("# cells\nmodel.cell=rnn,gru train.seed=1\n\nmodel.cell=lstm 'data.url=\"a b\"'  # and one more\n")
    assert read_grids(file) == [["model.cell=rnn,gru", "train.seed=1"], ["model.cell=lstm", 'data.url="a b"']]
    file.write_text("model.cell='rnn")
    with pytest.raises(InputError, match="no closing quotation: expected pairs of quotes"):
        read_grids(file)
    with pytest.raises(InputError, match="absent cannot be read: No such file or directory"):
        read_grids(tmp_path / "absent")


def plan(*grid: str) -> tuple[list[Experiment], dict[str, Experiment]]:
    experiments = plan_experiments([grid], "c0ffee", "")
    return experiments, plan_preparations(experiments, STAGES_BEFORE, PARAMS, "c0ffee", "")


def test_all_stages_but_training_and_evaluation_come_before() -> None:
    assert list(STAGES_BEFORE) == STAGES[:-2]
    assert {"split", "tokenize", "model.embedding_size", "data.url"} <= set(PARAMS)


def test_experiments_that_differ_in_training_share_their_data() -> None:
    experiments, preparations = plan("model.cell=rnn,gru", "train.seed=1,2")
    assert set(preparations) == {one.name for one in experiments}
    assert {preparation.overrides for preparation in preparations.values()} == {()}


def test_experiments_of_other_data_have_other_preparations() -> None:
    experiments, preparations = plan("model.cell=rnn,gru", "split.seed=1,2", "model.embedding_size=8")
    found = {one.overrides: preparations[one.name].overrides for one in experiments}
    assert all(
        set(early) == set(overrides) - {"model.cell=rnn", "model.cell=gru"} for overrides, early in found.items()
    )
    assert len({preparation.name for preparation in preparations.values()}) == 2


def test_who_is_alone_with_its_data_prepares_them_itself() -> None:
    assert plan("split.seed=1,2,3") == (plan("split.seed=1,2,3")[0], {})


def test_a_whole_section_may_change_what_earlier_stages_read() -> None:
    assert {one.overrides for one in plan("+split={seed: 1}", "train.seed=1,2")[1].values()} == {("+split={seed:1}",)}
