"""Running a stage in a process of its own, and noting what it reads: files, modules and parameters.

The process is forked from one that has imported the large packages, so that a stage costs what it computes and no more.
Nothing here imports `unroll`: the stage is to run the code of the folder that it runs in.
"""

import multiprocessing
import os
import runpy
import sys
import traceback
from dataclasses import dataclass, field
from importlib.util import source_from_cache
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

# The last three are imported by what trains and by what logs.
PACKAGES = ["gensim.models", "matplotlib.pyplot", "pyarrow.parquet", "requests", "ruamel.yaml", "sklearn.svm", "torch"]
PACKAGES += ["torch._dynamo", "mlflow", "mlflow.store.tracking.sqlalchemy_store"]
OUTSIDE = ("DVC_", "MLFLOW_", "GIT_", "PYTHON")
# Parameters that these read change no result: checking is of all of them in every stage, and the folder logs to MLflow.
CHECKING = "check_params"
LOGGING = "tracking"


@dataclass(frozen=True)
class Run:
    """How a stage ended, what it printed, and what it read of the repository, by path from the root."""

    code: int
    output: str
    files: set[str] = field(default_factory=set)
    params: set[str] = field(default_factory=set)


def run_stage(module: str, root: Path, folder: str, environment: dict[str, str], traced: bool = False) -> Run:
    """Run a stage's module as `python -m` does, in a folder of the repository at `root`, with the code in its src/."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PACKAGES)
    receiver, sender = context.Pipe(duplex=False)
    output = root.parent / f"{root.name}-output.txt"
    process = context.Process(target=_run, args=(module, root, folder, environment, traced, output, sender))
    process.start()
    sender.close()
    try:
        code, files, params = receiver.recv()
    except EOFError:  # it was killed
        code, files, params = 1, set(), set()
    process.join()
    return Run(code, output.read_text(errors="replace"), files, params)


def run_stages(root: Path, *stages: str, **environment: str) -> str:
    """Run stages of the pipeline at the root, one after the other, without DVC; return what they printed."""
    outputs = []
    for stage in stages:
        run = run_stage(f"unroll.stages.{stage}", root, ".", environment)
        assert run.code == 0, run.output
        outputs.append(run.output)
    return "".join(outputs)


def _run(
    module: str, root: Path, folder: str, environment: dict[str, str], traced: bool, output: Path, sender: Connection
) -> None:
    with output.open("wb") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    os.chdir(root / folder)
    for name in [name for name in os.environ if name.startswith(OUTSIDE)]:
        del os.environ[name]
    os.environ.update(environment)
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(root / folder / "src"))
    files, params = (note_files(root), note_params()) if traced else (set(), set())
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    sender.send((code, files, params))


def note_files(root: Path) -> set[str]:
    """Return a set that will hold each file under `root` that Python opens to read, and that it has not written itself.

    Libraries that open files themselves (Arrow, safetensors, tokenizers) are not seen.
    """
    read, written = set(), set()

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "os.rename":
            written.add(os.path.abspath(os.fsdecode(arguments[1])))  # noqa: PTH100
        if event != "open" or not isinstance(arguments[0], str | bytes | os.PathLike):
            return
        path = os.path.abspath(os.fsdecode(arguments[0]))  # noqa: PTH100
        if path.endswith(".pyc"):
            path = source_from_cache(path)
        if arguments[2] & (os.O_WRONLY | os.O_CREAT):
            written.add(path)
        elif path.startswith(f"{root}/") and path not in written and os.path.isfile(path):  # noqa: PTH113
            read.add(path.removeprefix(f"{root}/"))

    sys.addaudithook(note)
    return read


def note_params() -> set[str]:
    """Return a set that will hold the name of each parameter that is read: of a section as a whole, the section's."""
    from unroll.params.common import PipelineParams, Section

    read: set[str] = set()
    names: dict[int, str] = {}
    get = Section.__getattribute__

    def note(self: Section, name: str) -> Any:
        value, kind = get(self, name), type(self)  # `isinstance` would ask for an attribute, and come here again
        if issubclass(kind, PipelineParams) and issubclass(type(value), Section):
            names[id(value)] = name
        whole = name in ("__dict__", "__pydantic_serializer__")  # what iterating and `model_dump` begin with
        if whole and issubclass(kind, PipelineParams):
            noted = set(kind.model_fields)
        elif (whole or name in kind.model_fields) and id(self) in names:
            noted = {names[id(self)] if whole else f"{names[id(self)]}.{name}"}
        else:
            noted = set()
        if noted and not _is_exempt(sys._getframe(1)):
            read.update(noted)
        return value

    Section.__getattribute__ = note
    return read


def _is_exempt(frame: FrameType | None) -> bool:
    while frame:
        code = frame.f_code
        if code.co_name == CHECKING or Path(code.co_filename).parent.name == LOGGING:
            return True
        frame = frame.f_back
    return False
