"""The rooms (subpackages): what each may import, that each module has a test, and which stages a change affects."""

import ast

import pytest
from dvc.repo import Repo

from imports import PACKAGE, find_imports, find_room
from workspaces import ROOT, Workspace

# The order of the rooms, and which earlier ones each imports; a room that imports more belongs elsewhere.
ROOMS = {
    "base": set(),
    "params": {"base"},
    "data": {"base", "params"},
    "text": {"base", "params"},
    "evaluation": {"base", "params"},
    "vectors": {"base", "params", "data"},
    "models": {"base", "params", "text"},
    "linear": {"base", "params", "text", "evaluation", "models"},
    "training": {"base", "params", "evaluation", "models"},
    "sequences": {"base", "params", "data", "models"},
    "inference": {"base", "params", "data", "text", "models", "linear"},
    "serving": {"base", "params", "models", "inference"},
    "export": {"base", "text", "models", "inference"},
    "tracking": {"base", "params", "text", "models", "training", "inference"},
    "results": {"base", "params", "sequences", "tracking"},
    "cluster": {"base", "params", "tracking", "results"},
    "stages": {
        *(
            "base",
            "params",
            "data",
            "text",
            "evaluation",
            "vectors",
            "models",
            "linear",
            "training",
            "sequences",
            "tracking",
        )
    },
    "look": {"base", "params", "data", "text", "evaluation", "linear", "stages"},
    "cli": {
        *("base", "params", "text", "vectors", "models", "training", "sequences", "inference", "tracking", "results"),
        *("cluster", "export", "look", "serving"),
    },
    "tools": {"base", "tracking", "results", "cli"},
}
# The stages that a change of a room affects, according to `dvc status`: no others run again.
TEXT = ["preprocess", "split", "tokenize", "pretrain", "baseline", "train", "evaluate"]
CONCERNED = {
    "base/files.py": ["download", *TEXT],
    "params/common.py": ["download", *TEXT],
    "data/datasets.py": ["download", "preprocess"],
    "text/clean.py": ["preprocess", "tokenize"],
    "evaluation/plots.py": ["evaluate"],
    "evaluation/validation.py": ["baseline", "train", "evaluate"],
    "vectors/skipgram.py": ["pretrain"],
    "models/encoder.py": ["train", "evaluate"],
    "linear/fit.py": ["baseline"],
    "training/loop.py": ["train", "evaluate"],
    "sequences/model.py": [],
    "inference/forward.py": [],
    "serving/app.py": [],
    "export/graph.py": [],
    "tracking/registry.py": ["evaluate"],
    "results/records.py": [],
    "cluster/spread.py": [],
    "stages/split.py": ["split"],
    "look/labels.py": [],
    "cli/main.py": [],
    "tools/verify.py": [],
}
CONCERNED_BELOW = {  # the same in pipelines/sine
    "base/files.py": ["generate", "train", "evaluate"],
    "params/common.py": ["generate", "train", "evaluate"],
    "sequences/waves.py": ["generate", "evaluate"],
    "sequences/plots.py": ["evaluate"],
    "models/encoder.py": ["train", "evaluate"],
    "training/loop.py": ["train", "evaluate"],
    "tracking/registry.py": ["evaluate"],
    "data/datasets.py": [],
    "text/clean.py": [],
    "evaluation/plots.py": [],
    "vectors/skipgram.py": [],
    "linear/fit.py": [],
    "inference/forward.py": [],
    "results/records.py": [],
    "cluster/spread.py": [],
    "stages/split.py": [],
    "look/labels.py": [],
    "cli/main.py": [],
    "tools/verify.py": [],
}
UNTESTED = {  # by a file of their own: what tests them instead
    "base/devices.py": "tests/base/test_portable.py, tests/training/test_loop.py",
    "cli/data.py": "tests/look/test_page.py",
    "cli/export.py": "tests/export/test_folder.py",
    "cli/main.py": "tests/pipeline/test_cli.py",
    "cli/model.py": "tests/pipeline/test_cli.py",
    "cli/reproduce.py": "tests/pipeline/test_reproduce.py",
    "cli/results.py": "tests/pipeline/test_grid.py",
    "cli/search.py": "tests/pipeline/test_search.py",
    "cli/serve.py": "tests/serving/test_app.py",
    "cli/spread.py": "tests/pipeline/test_spread.py",
    "cli/picture.py": "tests/cli/test_trace.py",
    "cli/tell.py": "tests/cli/test_trace.py",
    "cluster/batches.py": "tests/pipeline/test_search.py",
    "cluster/experiment.py": "tests/pipeline/test_spread.py",
    "cluster/pictures.py": "tests/cluster/test_search.py",
    "cluster/spread.py": "tests/pipeline/test_spread.py",
    "data/tables.py": "tests/data/test_datasets.py",
    "export/predict.py": "tests/export/test_folder.py",
    "data/unpack.py": "tests/data/test_datasets.py",
    "inference/network.py": "tests/inference/test_forward.py",
    "inference/packing.py": "tests/inference/test_forward.py",
    "inference/bulk.py": "tests/pipeline/test_cli.py",
    "look/summary.py": "tests/look/test_page.py",
    "models/classifier.py": "tests/models/test_encoder.py",
    "models/files.py": "tests/inference/test_classifier.py",
    "models/predict.py": "tests/models/test_encoder.py",
    "params/addresses.py": "tests/params/test_texts.py",
    "params/common.py": "tests/params/test_texts.py",
    "params/messages.py": "tests/params/test_texts.py",
    "results/collect.py": "tests/pipeline/test_grid.py",
    "results/commands.py": "tests/pipeline/test_spread.py, tests/pipeline/test_reproduce.py",
    "results/overview.py": "tests/tracking/test_runs.py",
    "results/pipelines.py": "tests/results/test_records.py",
    "results/traced_runs.py": "tests/pipeline/test_grid.py",
    "sequences/params.py": "tests/sequences/test_model.py",
    "sequences/plots.py": "tests/pipeline/test_pipelines.py",
    "sequences/waves.py": "tests/sequences/test_tasks.py",
    "serving/metrics.py": "tests/serving/test_app.py",
    "text/markup.py": "tests/text/test_clean.py, tests/text/test_clean_columns.py",
    "text/tokens.py": "tests/text/test_vocabulary.py",
    "vectors/lookup.py": "tests/vectors/test_text_files.py",
    "tools/lock.py": "tests/base/test_versions.py",
    "tools/plot_page.py": "tests/pipeline/test_pages.py",
    "tools/verify.py": "tests/pipeline/test_verify.py",
    "tools/wheels.py": "tests/tools/test_audit.py",
    "tracking/baseline.py": "tests/pipeline/test_tracking.py",
    "tracking/mlflow_model.py": "tests/tracking/test_registry.py",
    "tracking/pages.py": "tests/pipeline/test_pages.py",
    "tracking/sharing.py": "tests/tracking/test_heartbeat.py",
    "tracking/store.py": "tests/pipeline/test_tracking.py",
    "training/objectives.py": "tests/training/test_loop.py",
    "training/processes.py": "tests/pipeline/test_processes.py",
    "training/progress.py": "tests/training/test_resume.py",
}


def test_every_room_is_here_and_says_what_is_in_it() -> None:
    assert {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(ROOMS)
    assert [path.name for path in PACKAGE.glob("*.py")] == ["__init__.py"]
    for room in ROOMS:
        assert ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text()))


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_what_it_may_and_no_more(room: str) -> None:
    files = (PACKAGE / room).rglob("*.py")
    imported = {find_room(path): file for file in files for path in find_imports(file)}
    imported.pop(room, None)
    assert set(imported) == ROOMS[room], imported


def test_imports_go_one_way() -> None:
    order = list(ROOMS)
    assert all(order.index(other) < order.index(room) for room, others in ROOMS.items() for other in others)


def test_no_file_is_long() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {str(path): length for path, length in lengths.items() if length > 250} == {}


def test_a_test_has_the_path_of_its_module() -> None:
    modules = {path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"}
    modules = {path for path in modules if path.parts[0] != "stages"}  # which pipeline tests run
    own = {path for path in modules if list((ROOT / "tests" / path.parent).glob(f"test_{path.stem}*.py"))}
    assert {str(path) for path in modules - own} == set(UNTESTED)
    for others in UNTESTED.values():
        assert all((ROOT / other).is_file() for other in others.split(", "))


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "table"), [(".", CONCERNED), ("pipelines/sine", CONCERNED_BELOW)])
def test_dvc_tells_whom_a_changed_room_concerns(
    all_pipelines: Workspace, tmp_path_factory: pytest.TempPathFactory, folder: str, table: dict[str, list[str]]
) -> None:
    workspace = all_pipelines.copy_to(tmp_path_factory.mktemp("rooms") / "repository")
    pipeline = Workspace(workspace.path / folder)
    workspace.run("python", "-m", "compileall", "-q", "src")  # bytecode is no change
    for file, expected in table.items():
        path = workspace.path / "src" / "unroll" / file
        code = path.read_bytes()
        path.write_bytes(code + b"# a comment\n")
        with Repo(str(pipeline.path)) as repo:  # what the command `dvc status` asks, without the start of a process
            status = repo.status()
        path.write_bytes(code)
        assert {name.partition(":")[2] or name for name in status} == set(expected), file
    assert pipeline.run("dvc", "status").stdout == "Data and pipelines are up to date.\n"
