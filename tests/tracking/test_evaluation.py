"""What a run's page in MLflow begins with; tests/pipeline/test_tracking.py tests all else."""

from pathlib import Path

import pytest

from unroll.tracking.evaluation import LONGEST, REST, cut_lines, describe_run
from unroll.tracking.runs import DESCRIPTION
from unroll.tracking.store import connect


@pytest.mark.parametrize("letter", ["a", "ü", "新", "😀"])
def test_a_description_is_as_long_as_mlflow_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, letter: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    store = connect("described")
    run_id = store.client.create_run(store.experiment_id).info.run_id
    describe_run(store, run_id, "the first line", f"{99 * letter}\n" * 200)
    told = store.client.get_run(run_id).data.tags[DESCRIPTION]
    assert told.startswith(f"the first line\n\n{99 * letter}\n")
    assert told.endswith(f"\n{99 * letter}{REST}") and LONGEST - 200 < len(told) <= LONGEST
    describe_run(store, run_id, "another", "")
    assert store.client.get_run(run_id).data.tags[DESCRIPTION] == told


def test_what_is_short_enough_stays_whole() -> None:
    assert cut_lines("a\nb", 3) == "a\nb"
    assert cut_lines(f"a\n{100 * 'b'}", 60) == f"a{REST}"
