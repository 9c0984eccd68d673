"""A model is loaded whole or not at all."""

import shutil
import tempfile
from itertools import cycle
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from builders import write_models
from services import change_model
from unroll.base.errors import InputError
from unroll.linear.fit import fit_linear
from unroll.linear.model import save_linear
from unroll.models.files import CHECKSUMS, LINEAR_PARTS, TEXT_PARTS, write_checksums
from unroll.serving.model import ModelStore, load_whole


def replace_in_turn(folder: Path, sources: list[Path], stop: Event) -> None:
    """Replace the files one by one by those of each source in turn, the list of checksums first, labels last."""
    for source in cycle(sources):
        for name in (CHECKSUMS, *sorted(TEXT_PARTS, key="labels.json".__eq__)):
            shutil.copyfile(source / name, folder / "new")
            (folder / "new").replace(folder / name)
        if stop.is_set():
            break


@pytest.mark.slow
def test_whatever_happens_to_the_files_meanwhile_the_model_is_whole(tmp_path: Path) -> None:
    models = write_models(tmp_path / "models")
    first, second = (Path(shutil.copytree(models, tmp_path / name)) for name in ("first", "second"))
    change_model(second, ["Handel", "Sport"])
    expected = {}
    for folder in (first, second):
        loaded = load_whole(folder)
        expected[loaded.name] = loaded.classifier.class_names, loaded.classifier.predict(["shares fall"]).tolist()
    stop = Event()
    thread = Thread(target=replace_in_turn, args=(models, [second, first], stop))
    thread.start()
    found = []
    try:
        while len(found) < 100 or len({loaded.name for loaded in found}) < 2:
            try:
                found.append(load_whole(models))
            except InputError:
                continue
    finally:
        stop.set()
        thread.join()
    for loaded in found:
        seen = loaded.classifier.class_names, loaded.classifier.predict(["shares fall"]).tolist()
        assert seen == expected[loaded.name]


def test_a_linear_classifier_is_served_too(tmp_path: Path) -> None:
    texts, labels = ["shares fall", "profit falls", "cup final", "match final"], np.array([0, 0, 1, 1])
    folder = write_models(tmp_path / "models")
    (folder / "tokenizer.json").unlink()
    save_linear(fit_linear(texts, labels, texts, labels, 64).model, folder)
    write_checksums(folder, LINEAR_PARTS)
    classifier = load_whole(folder).classifier
    assert classifier.predict(["shares", "cup"]).argmax(axis=1).tolist() == [0, 1]


def test_a_broken_model_is_told_of_and_the_old_one_stays(tmp_path: Path) -> None:
    models = write_models(tmp_path / "models")
    store = ModelStore(models)
    kept = store.current
    store.refresh()
    assert store.current is kept
    labels = (models / "labels.json").read_bytes()
    (models / "labels.json").unlink()
    store.refresh()
    assert store.current is kept
    assert store.problem == f"{models}/labels.json is missing: `dvc repro` makes it, `dvc pull` fetches it"
    (models / "labels.json").write_bytes(labels)
    store.refresh()
    mended = store.current
    assert (mended.name, store.problem) == (kept.name, None)
    store.refresh()
    assert store.current is mended  # nothing has changed since
    with pytest.raises(InputError, match="is missing"):
        ModelStore(tmp_path / "nowhere")


def test_what_may_pass_is_tried_again_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    models = write_models(tmp_path / "models")
    store = ModelStore(models)
    kept = store.current
    change_model(models, ["Handel", "Sport"])
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "later"))  # where the copy goes
    for _ in range(3):
        store.refresh()
        assert store.current is kept and store.problem.startswith("FileNotFoundError: [Errno 2] No such file")
    assert len(caplog.records) == 1
    (tmp_path / "later").mkdir()
    store.refresh()
    assert (store.current.classifier.class_names, store.problem) == (["Handel", "Sport"], None)


def test_weights_that_are_no_numbers_are_no_model(tmp_path: Path) -> None:
    models = write_models(tmp_path / "models")
    weights = load_file(models / "model.safetensors")
    save_file({name: np.full_like(array, np.nan) for name, array in weights.items()}, models / "model.safetensors")
    write_checksums(models, TEXT_PARTS)
    with pytest.raises(InputError, match="the model's weights give no probabilities"):
        load_whole(models)
