"""Searches by Optuna itself, in which a function stands for a training: the same trials, whatever happens."""

import json
import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import pytest

from unroll.base.errors import InputError
from unroll.cluster.pictures import draw_search, find_importances
from unroll.cluster.pruning import F1, LOSS, find_limits, find_pruned
from unroll.cluster.search import (
    Outcome,
    Search,
    add_outcome,
    ask_batch,
    choose_objective,
    list_best,
    open_study,
    read_objective,
)
from unroll.cluster.space import read_space
from unroll.results.pipelines import read_pipeline_params
from workspaces import ROOT, make_environment

SPACE = read_space(["train.learning_rate=0.0005..0.05:log", "model.hidden_size=8..64", "model.cell=rnn,gru,lstm"])
SEARCH = Search(SPACE, F1, "c0ffee", "", seed=1, batch=4, is_pruning=True)


def train(values: dict[str, Any]) -> list[float]:
    """Return a curve: the best learning rate is 0.005, the best cell gru."""
    distance = abs(math.log10(values["train.learning_rate"] / 0.005)) + (values["model.cell"] != "gru") / 2
    return [1 - distance / 2 - 0.5**epoch for epoch in range(1, 8)]


def search_all(file: Path, workers: int, trials: int, search: Search = SEARCH, die_after: int = 99) -> list[tuple]:
    """Run a search with so many workers; it dies after so many trials. Return the study's trials."""
    with open_study(file, search) as study:
        for first in range(0, trials, search.batch):
            earlier, size = study.get_trials()[:first], min(search.batch, trials - first)
            curves = [[*trial.intermediate_values.values()] for trial in earlier if trial.value is not None]
            limits = find_limits(curves, search.objective)
            asked = ask_batch(search, earlier, first // search.batch, size)
            with ThreadPoolExecutor(workers) as pool:
                futures = {pool.submit(train, values): number for number, values in enumerate(asked)}
                ended = {futures[future]: future.result() for future in as_completed(futures)}
            for number in range(len(study.get_trials()) - first, size):
                if first + number == die_after:
                    return []
                curve, name = ended[number], search.make_experiment(asked[number]).name
                epoch = find_pruned(curve, limits, search.objective)
                outcome = Outcome(name, curve[:epoch]) if epoch else Outcome(name, curve, curve[-1])
                add_outcome(study, search.space, asked[number], outcome)
        return [
            (trial.number, trial.state.name, trial.params, trial.value, trial.intermediate_values, trial.user_attrs)
            for trial in study.get_trials()
        ]


def test_the_trials_are_the_same_with_one_worker_and_with_four(tmp_path: Path) -> None:
    one, four = (search_all(tmp_path / f"{workers}.db", workers, 24) for workers in (1, 4))
    assert one == four and len(one) == 24
    assert {state for _, state, *_ in one} == {"COMPLETE", "PRUNED"}


@pytest.mark.parametrize("die_after", [0, 3, 4, 10])
def test_a_search_that_was_interrupted_goes_on_with_the_same_trials(tmp_path: Path, die_after: int) -> None:
    search_all(tmp_path / "a.db", 4, 14, die_after=die_after)
    assert search_all(tmp_path / "a.db", 1, 14) == search_all(tmp_path / "b.db", 4, 14)


def test_more_trials_go_on_where_fewer_ended(tmp_path: Path) -> None:
    search_all(tmp_path / "a.db", 2, 6)  # in the middle of a batch
    assert search_all(tmp_path / "a.db", 2, 14) == search_all(tmp_path / "b.db", 2, 14)


def test_it_learns(tmp_path: Path) -> None:
    trials = search_all(tmp_path / "a.db", 1, 40)
    half = [sum(train(params)[-1] for _, _, params, *_ in part) for part in (trials[:20], trials[20:])]
    assert half[1] > half[0]


def test_the_picture_tells_what_mattered_and_the_same_each_time(tmp_path: Path) -> None:
    search_all(tmp_path / "a.db", 1, 24)
    with open_study(tmp_path / "a.db", SEARCH) as study:
        shares = find_importances(study, SEARCH)
        assert find_importances(study, SEARCH) == shares
        assert list(shares)[-1] == "model.hidden_size" and math.isclose(sum(shares.values()), 1)
        axes, _ = draw_search(study, SEARCH).axes
        best, complete, pruned = (line.get_xydata()[:, 1].tolist() for line in axes.lines)
    assert len(complete) + len(pruned) == 24 and best == [max(complete[: n + 1]) for n in range(len(complete))]


def test_what_diverged_is_kept_and_drawn_as_nothing(tmp_path: Path) -> None:
    with open_study(tmp_path / "a.db", SEARCH) as study:
        (values,) = ask_batch(SEARCH, [], 0, 1)
        add_outcome(study, SPACE, values, Outcome("diverged", []))
        assert [trial.state.name for trial in study.get_trials()] == ["FAIL"]
        assert len(ask_batch(SEARCH, study.get_trials(), 1, 4)) == 4
        assert [len(line.get_xydata()) for line in draw_search(study, SEARCH).axes[0].lines] == [0, 0, 0]


def test_whatever_determines_the_trials_makes_another_study(tmp_path: Path) -> None:
    others = [
        Search(read_space(["model.hidden_size=8..64"]), F1, "c0ffee", "", 1, 4, True),
        Search(SPACE, LOSS, "c0ffee", "", 1, 4, True),
        Search(SPACE, F1, "beef", "", 1, 4, True),
        Search(SPACE, F1, "c0ffee", "pipelines/sine/", 1, 4, True),
        Search(SPACE, F1, "c0ffee", "", 2, 4, True),
        Search(SPACE, F1, "c0ffee", "", 1, 5, True),
        Search(SPACE, F1, "c0ffee", "", 1, 4, False),
    ]
    assert len({search.name for search in [SEARCH, *others]}) == 8
    first, second = (search_all(tmp_path / "a.db", 1, 4, search) for search in (SEARCH, others[4]))
    assert first != second and len(second) == 4  # side by side in one file


def test_one_search_at_a_time_uses_the_file_and_what_is_no_study_is_told(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    with (
        open_study(file, SEARCH),
        pytest.raises(InputError, match=r"another search uses .*a\.db: expected one at a time"),
        open_study(file, SEARCH),
    ):
        pass
    file.write_text("no database")
    with pytest.raises(InputError, match=r"a\.db is no database of Optuna: delete it"), open_study(file, SEARCH):
        pass


def test_without_optuna_one_line_says_what_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with (
        pytest.raises(InputError, match="needs Optuna: `make cluster` installs it"),
        open_study(tmp_path / "a", SEARCH),
    ):
        pass


def test_the_best_is_the_best_in_validation_not_in_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=make_environment(), check=True, capture_output=True, text=True
        ).stdout

    git("init", "--quiet")
    git("commit", "--quiet", "--allow-empty", "--message", "the commit that is searched")
    commit = git("rev-parse", "HEAD").strip()
    for name, val, test in (("first", 0.7, 0.9), ("second", 0.8, 0.1)):
        (tmp_path / "metrics").mkdir(exist_ok=True)
        (tmp_path / "metrics/train.json").write_text(json.dumps({"val_macro_f1": val, "val_loss": 1 - val}))
        (tmp_path / "metrics/test.json").write_text(json.dumps({"macro_f1": test, "val_macro_f1": test}))
        git("add", "--all")
        git("commit", "--quiet", "--message", name)
        git("update-ref", f"refs/exps/{commit[:2]}/{commit[2:]}/{name}", "HEAD")
    monkeypatch.chdir(tmp_path)
    for search in (SEARCH, Search(SPACE, LOSS, commit, "", 1, 4, True)):
        with open_study(tmp_path / "a.db", search) as study:
            for name, values in zip(("first", "second"), ask_batch(search, [], 0, 2), strict=True):
                score = read_objective(search.objective, commit, name)
                add_outcome(study, search.space, values, Outcome(name, [score], score))
            assert [trial.user_attrs["experiment"] for trial in list_best(study)] == ["second", "first"]


def test_texts_are_judged_by_macro_f1_and_waves_by_the_loss() -> None:
    names = {
        folder: choose_objective(read_pipeline_params(ROOT / folder / "params.yaml"))
        for folder in (".", "pipelines/sine")
    }
    assert names == {".": F1, "pipelines/sine": LOSS}
    for folder, name in names.items():
        assert name in json.loads((ROOT / folder / "metrics/train.json").read_text())
