"""Finding the run that an evaluation belongs to, among those that made the model."""

from mlflow.entities import Param, Run, RunData, RunInfo, RunTag

from unroll.results.overview import find_run
from unroll.results.records import Record
from unroll.tracking.baseline import find_baseline
from unroll.tracking.runs import choose_run, split_names

PARAMS = {"model.cell": "gru", "evaluate.mistakes": "100"}
MD5S = {"model_md5": "model-md5", "checksums_md5": "checksums-md5", "test_md5": "test-md5"}


def make_run(run_id: str, start: int, params: dict[str, str] = PARAMS, **tags: str) -> Run:
    info = RunInfo(run_id, "1", "user", "FINISHED", start, None, "active")
    named = [RunTag(name, value) for name, value in tags.items()]
    return Run(info, RunData([], [Param(name, value) for name, value in params.items()], named))


def choose(runs: list[Run], name: str | None = None) -> str | None:
    found = choose_run(runs, PARAMS, MD5S, name)
    return found.info.run_id if found else None


def test_other_parameters_are_another_run_but_for_those_of_tracking() -> None:
    assert choose([make_run("other", 1, PARAMS | {"model.cell": "lstm"})]) is None
    assert choose([make_run("elsewhere", 1, PARAMS | {"tracking.experiment": "x"})]) == "elsewhere"


def test_scores_of_another_evaluation_are_never_overwritten() -> None:
    assert choose([make_run("scored", 1, test_md5="another")]) is None
    assert choose([make_run("scored", 1, test_md5="test-md5")]) == "scored"
    assert choose([make_run("unscored", 1)]) == "unscored"


def test_the_same_weights_with_other_classes_are_another_run() -> None:
    assert choose([make_run("renamed", 1, checksums_md5="another")]) is None
    assert (
        choose([make_run("own", 1, checksums_md5="checksums-md5"), make_run("renamed", 2, checksums_md5="x")]) == "own"
    )
    assert choose([make_run("older than the tag", 1)]) == "older than the tag"


def test_a_baseline_of_the_same_scores_on_other_classes_is_another_run() -> None:
    own = {"baseline_md5": "scores", "baseline_per_class_md5": "classes"}
    params = {"data.dataset": "csv"}
    for tags, found in ((own, True), (own | {"baseline_per_class_md5": "renamed"}, False), ({}, False)):
        assert bool(find_baseline([make_run("linear", 1, params, **tags)], params, own)) is found
    assert find_baseline([make_run("linear", 1, params)], params, dict.fromkeys(own, "")) is None


def test_the_experiments_own_run_goes_before_the_newest() -> None:
    runs = [make_run("own", 1, **{"dvc.experiments": "mine, yours"}), make_run("newer", 2)]
    assert choose(runs, "yours") == "own"
    assert choose(runs, "your") == "newer"  # a part of a name is another name
    assert choose(runs) == "newer"
    assert choose([]) is None


def test_a_tag_holds_names_or_none() -> None:
    assert split_names("mine, yours") == ["mine", "yours"]
    assert split_names("") == []


def test_a_branch_is_shown_beside_the_run_that_has_its_scores() -> None:
    """Not beside a later training of the same model that nobody has evaluated."""
    record = Record("main", "branch", PARAMS, {}, {}, MD5S, "", 0)
    scored = make_run("scored", 1, model_md5="model-md5", test_md5="test-md5")
    unscored, other = make_run("unscored", 2, model_md5="model-md5"), make_run("other", 3, model_md5="other-md5")
    for runs, expected in (([scored, unscored, other], scored), ([unscored, other], unscored), ([other], None)):
        assert find_run(record, runs) is expected
