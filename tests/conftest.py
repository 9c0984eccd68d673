"""What tests share: repositories in which the pipelines have run, and the real rows."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from workspaces import Workspace, build_once, find_real_data, make_workspace, run_grid

# Several tests run at once: threads that wait for each other on busy cores take many times as long as one.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Machines may be busy: how long an example takes says nothing about the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what others wait for: the workspaces that take minutes to build, then slow tests."""

    def rank(item: pytest.Item) -> tuple[bool, ...]:
        fixtures = getattr(item, "fixturenames", ())
        return "all_pipelines" not in fixtures, "grid" not in fixtures, item.get_closest_marker("slow") is None

    items.sort(key=rank)


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The repository as it is after a fresh clone. Do not change it: copy it."""
    return build_once(tmp_path_factory, "pristine", make_workspace)


@pytest.fixture(scope="session")
def reproduced(pristine: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The same after `dvc repro` with the default parameters, committed. Do not change it: copy it."""

    def build(path: Path) -> Workspace:
        workspace = pristine.copy_to(path)
        output = workspace.run("dvc", "repro").stdout
        assert "INFO" not in output and "Warning" not in output, output  # only our own lines, one for each stage
        workspace.commit()
        return workspace

    return build_once(tmp_path_factory, "reproduced", build)


@pytest.fixture(scope="session")
def quick(reproduced: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The same with parameters of one epoch and no tracking, so that repeating it is fast. Do not change it."""

    def build(path: Path) -> Workspace:
        workspace = reproduced.copy_to(path)
        workspace.change("epochs: 30", "epochs: 1")
        workspace.change("least_words: 1000000", "least_words: 0")
        workspace.change("enabled: true", "enabled: false")
        assert workspace.stages_run("dvc", "repro") == ["pretrain", "train", "evaluate"]
        workspace.commit()
        return workspace

    return build_once(tmp_path_factory, "quick", build)


@pytest.fixture(scope="session")
def grid(reproduced: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The same after six experiments through DVC's queue, two at a time: three cells, two seeds. Do not change it.

    Its tracking database does not exist at first, so the first two experiments create it at the same time.
    """

    def build(path: Path) -> Workspace:
        workspace = reproduced.copy_to(path)
        workspace.forget_runs()
        run_grid(workspace)
        return workspace

    return build_once(tmp_path_factory, "grid", build)


@pytest.fixture(scope="session")
def all_pipelines(reproduced: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The repository after `make repro-all` without its setup, committed. Do not change it: copy it."""

    def build(path: Path) -> Workspace:
        workspace = reproduced.copy_to(path)
        workspace.forget_runs()
        for folder in sorted(workspace.path.glob("pipelines/*")):
            Workspace(folder).run("dvc", "repro")
        workspace.commit()
        return workspace

    return build_once(tmp_path_factory, "all_pipelines", build)


@pytest.fixture
def workspace(reproduced: Workspace, tmp_path: Path) -> Workspace:
    """A reproduced repository that a test may change."""
    return reproduced.copy_to(tmp_path / "repository")


@pytest.fixture
def quick_workspace(quick: Workspace, tmp_path: Path) -> Workspace:
    """A reproduced repository that a test may change, of one epoch and without tracking."""
    return quick.copy_to(tmp_path / "repository")


@pytest.fixture(scope="session")
def ag_news() -> Path:
    """Real rows of AG News in the official layout."""
    return find_real_data("ag_news/train.csv")


@pytest.fixture(scope="session")
def imdb() -> Path:
    """The archive of real reviews in the official layout: 25,000 for training and 12,500 of the test half."""
    return find_real_data("imdb/aclImdb_v1.tar.gz")


@pytest.fixture(scope="session")
def mnist() -> Path:
    """The folder of MNIST's four files."""
    return find_real_data("mnist")
