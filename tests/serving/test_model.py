"""A model is loaded whole or not at all."""

import shutil
from itertools import cycle
from pathlib import Path
from threading import Event, Thread

import pytest

from builders import write_models
from services import change_model
from unroll.base.errors import InputError
from unroll.models.files import CHECKSUMS, TEXT_PARTS
from unroll.serving.model import ModelStore, load_whole


def replace_in_turn(folder: Path, sources: list[Path], stop: Event) -> None:
    """Replace the files one by one by those of each source in turn, the list of checksums first, labels last."""
    for source in cycle(sources):
        for name in (CHECKSUMS, *sorted(TEXT_PARTS, key="labels.json".__eq__)):
            shutil.copyfile(source / name, folder / "new")
            (folder / "new").replace(folder / name)
        if stop.is_set():
            break


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


def test_a_broken_model_is_tried_once_and_the_old_one_stays(tmp_path: Path) -> None:
    models = write_models(tmp_path / "models")
    store = ModelStore(models)
    kept = store.current
    store.refresh()
    assert (store.current, store.problem) == (kept, None)
    labels = (models / "labels.json").read_bytes()
    (models / "labels.json").unlink()
    store.refresh()
    assert store.current is kept
    assert store.problem == f"{models}/labels.json is missing: `dvc repro` makes it, `dvc pull` fetches it"
    (models / "labels.json").write_bytes(labels)
    store.refresh()
    assert (store.current.name, store.problem) == (kept.name, None)
    with pytest.raises(InputError, match="is missing"):
        ModelStore(tmp_path / "nowhere")
