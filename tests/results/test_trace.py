"""The chain from the data to a figure, of commits of a real repository."""

from pathlib import Path

import pytest

from histories import History, begin_history, make_files
from unroll.base.errors import InputError
from unroll.results.places import Place, find_places
from unroll.results.trace import Chain, list_md5s, make_chain, order_stages, read_chain, read_stages


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> History:
    monkeypatch.chdir(tmp_path)
    history = begin_history(tmp_path)
    history.commit("first", make_files(0.8))
    return history


def trace(what: str) -> Chain:
    return read_chain(find_places(what)[0])


def test_the_chain_goes_from_the_data_to_the_model(history: History) -> None:
    chain = trace("0.8")
    assert (chain.data.dataset, chain.data.addresses) == ("csv", ("https://…@example.org/table.csv",))
    assert chain.data.sources == {"all": {"sha256": "5" * 64, "bytes": 1234}}
    assert (chain.data.rows_in, chain.data.rows_out, chain.data.dropped["duplicate"]) == (100, 97, 3)
    # In the order of the work, whatever that in dvc.lock; without `draw`, which leads to no figure.
    assert [stage.name for stage in chain.stages] == ["preprocess", "train", "evaluate"]
    assert chain.stages[0].outputs["data/clean"] == f"{'b' * 32}.dir"
    assert (chain.model, chain.model_md5) == ("models/model.safetensors", "a" * 32)
    assert chain.packages == ("torch==2.13.0", "numpy==2.4.6")
    assert (chain.changed, chain.defaults, chain.experiment) == ({}, "main", "")
    head = history.git("rev-parse", "HEAD")
    assert chain.command == f"unroll reproduce {head[:10]} --folder ../again"


@pytest.mark.parametrize(
    "stage", ["[]", "{outs: null}", "{outs: [a, {md5: b}]}", "{outs: {path: a}}", f"{'[' * 9999}{']' * 9999}"]
)
def test_a_lock_of_any_form_is_read(stage: str) -> None:
    stages = read_stages(f"stages: {{a: {stage}}}".encode())
    assert [list_md5s(stages[name], "outs") for name in order_stages(stages)] in ([], [{}])


def test_stages_in_a_circle_are_told() -> None:
    lock = "stages: {a: {deps: [{path: b}], outs: [{path: a}]}, b: {deps: [{path: a}], outs: [{path: b}]}}"
    with pytest.raises(InputError, match="its stages depend on each other in a circle"):
        order_stages(read_stages(lock.encode()))


def test_a_figure_of_the_data_has_no_model(history: History) -> None:
    chain = trace("97")
    assert [stage.name for stage in chain.stages] == ["preprocess"]
    assert (chain.model, chain.model_md5) == ("", "")


def test_an_experiment_is_compared_with_the_commit_that_it_started_from(history: History) -> None:
    start = history.git("rev-parse", "HEAD")
    commit = history.save_experiment("bold-one", make_files(0.9, cell="lstm", model="e"))[:10]
    history.commit("other defaults", make_files(0.7, cell="rnn"))
    chain = trace("0.9")
    assert chain.changed == {"model.cell": ("lstm", "gru")} and start[:10] in chain.defaults
    assert (chain.command, chain.model_md5) == (f"unroll reproduce {commit} --folder ../again", "e" * 32)
    assert trace("0.8").changed == {"model.cell": ("gru", "rnn")}  # older than the defaults of main


def test_the_sample_stands_for_no_file_where_it_is_not_the_data(history: History) -> None:
    def name_addresses(dataset: str) -> tuple[str, ...]:
        params = f"data: {{dataset: {dataset}, file: data/sample, test_file: data/sample, url: x}}\n"
        history.commit(dataset, make_files(0.75) | {"params.yaml": params, "code.py": dataset})
        return trace("main").data.addresses

    assert [name_addresses(name) for name in ("sample", "ag_news")] == [("data/sample", "x"), ("x",)]


def test_parameters_that_came_later_are_told(history: History) -> None:
    params = make_files(0.7)["params.yaml"].replace("seed: 1", "seed: 1, patience: 3").replace("traced", "other")
    history.commit("a new parameter", make_files(0.7) | {"params.yaml": params})
    assert trace("0.8").changed == {"train.patience": ("–", "3")}  # those of tracking make no difference


def test_what_is_not_committed_is_read_from_the_folder(history: History) -> None:
    history.write(make_files(0.85, cell="lstm", model="d") | {"code.py": ""})
    chain = trace("0.85")
    assert (chain.model_md5, chain.changed) == ("d" * 32, {"model.cell": ("lstm", "gru")})
    assert (chain.command, chain.uncommitted) == ("dvc repro", ("params.yaml", "code.py"))


def test_another_pipeline_has_its_own_files(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    history.commit("below", make_files(0.6, model="d"), folder="pipelines/waves")
    chain = trace("0.6")
    assert (chain.place.folder, chain.model_md5) == ("pipelines/waves/", "d" * 32)
    assert chain.command.endswith(" --folder ../again --pipeline pipelines/waves")
    monkeypatch.chdir("pipelines/waves")  # the new folder must not be in the repository
    assert chain.command.endswith(" --folder ../../../again --pipeline pipelines/waves")
    assert len(chain.packages) == 2  # the root's, which all pipelines share


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"stages: []", b"stages: {a: 1}", b"\xff"])
def test_files_that_say_nothing_make_a_chain_that_says_nothing(history: History, content: bytes) -> None:
    (place,) = find_places("HEAD")
    chain = make_chain(place, [content] * 4, content, "main")
    assert (chain.model, chain.data.rows_in, chain.packages) == ("", None, ())
    assert isinstance(chain.place, Place)
