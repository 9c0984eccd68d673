"""A search on real workers, killed twice, comes to the same trials as one that one worker ran through."""

import csv
import io
import re
from pathlib import Path

import optuna
import pytest

from clusters import list_names, read_until, share, start
from workspaces import Workspace

RANGES = ("train.learning_rate=0.0001..0.3:log", "model.hidden_size=2..8", "model.cell=rnn,gru,lstm")
SEARCH = ("unroll", "search", *(part for one in RANGES for part in ("-S", one)), "--trials", "5", "--workers")


def list_trials(root: Path) -> list[tuple]:
    """Return all that the one study in a repository has of its trials, but for dates."""
    storage = f"sqlite:///{root}/.dvc/tmp/search.db"
    (name,) = optuna.get_all_study_names(storage)
    trials = optuna.load_study(study_name=name, storage=storage).get_trials()
    return [
        (one.number, one.state.name, one.params, one.value, one.intermediate_values, one.user_attrs["experiment"])
        for one in trials
    ]


@pytest.mark.exhaustive
def test_a_killed_search_goes_on_to_the_trials_of_one_worker_that_was_never_killed(
    pristine: Workspace, tmp_path: Path
) -> None:
    killed = share(pristine, tmp_path / "killed", "pipelines/hello")
    whole = killed.copy_to(tmp_path / "whole" / "clone")  # the same commit, with remotes of its own
    whole.run("git", "clone", "--quiet", "--bare", ".", str(tmp_path / "whole" / "remote.git"))
    whole.run("git", "remote", "set-url", "origin", str(tmp_path / "whole" / "remote.git"))
    one, two = (Workspace(workspace.path / "pipelines" / "hello") for workspace in (whole, killed))
    one.run("dvc", "remote", "modify", "--local", "store", "url", str(tmp_path / "whole" / "store"))
    output = one.run(*SEARCH, "1", XDG_CACHE_HOME=str(tmp_path / "whole")).stdout
    caches = {"XDG_CACHE_HOME": str(tmp_path / "killed")}
    done = set()
    for pattern in (": done$", ": pruned at epoch"):
        with start("env", "--chdir", str(two.path), *SEARCH, "2", **caches) as process:
            line = read_until(process, pattern)
            process.kill()  # it alone: what it started must end by itself
            done.add(line.partition(":")[0])
    rest = two.run(*SEARCH, "2", **caches).stdout
    assert f"{re.match('search-.......', rest)[0]}: 5 trials, 4 of them done already" in rest
    assert "fetches data" not in rest  # the fifth was pruned when the second kill came, as MLflow knows

    trials = list_trials(killed.path)
    assert trials == list_trials(whole.path)
    assert {state for _, state, *_ in trials} == {"COMPLETE", "PRUNED"} and len(trials) == 5
    complete = {name: value for _, state, _, value, _, name in trials if state == "COMPLETE"}
    assert list_names(two) == list_names(two, "origin") == list_names(one) == sorted(complete)
    best = min(complete, key=complete.__getitem__)
    assert output.splitlines()[-2] == f"`dvc exp apply {best}` puts the best one into the workspace"
    assert rest.splitlines()[-2] == output.splitlines()[-2]
    assert len(list((killed.path / "dvc_plots").glob("search-*.png"))) == 1
    assert two.run("git", "status", "--porcelain").stdout == ""  # it can go on

    (killed.path / ".dvc/tmp/search.db").unlink()
    again = two.run(*SEARCH, "2", **caches).stdout
    assert "fetches data" not in again and list_trials(killed.path) == trials  # Git and MLflow have all of it

    compared = two.run("unroll", "compare", "--by", "train.learning_rate", "--from", "dvc", "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(compared[compared.index("train.learning_rate") :])))
    rates = {str(params["train.learning_rate"]) for _, state, params, *_ in trials if state == "COMPLETE"}
    assert rates <= {row["train.learning_rate"] for row in rows}
    runs = list(csv.DictReader(io.StringIO(two.run("unroll", "runs", "--format", "csv").stdout)))
    assert {row["name"]: row["state"] for row in runs if row["kind"] == "experiment"} == dict.fromkeys(
        complete, "finished"
    )
    names = [row["name"] for row in runs]
    assert [names.count(name) for name in done] == [1, 1]  # neither what was pushed nor what was pruned ran twice
