"""unroll reproduce: from a commit or a run to the same bytes, in an empty folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unroll.base.errors import InputError, hide_password, make_printable

if TYPE_CHECKING:
    from unroll.results.outputs import Expected
    from unroll.results.wanted import Wanted


def reproduce(
    ref: Annotated[str, typer.Argument(help="A branch, tag, commit or DVC experiment, or the id of an MLflow run.")],
    repository: Annotated[
        str,
        typer.Option(
            metavar="URL|PATH",
            help="Where to clone from. By default the repository of the current folder; for a run that has no commit "
            "of it, the repository that the run names.",
            show_default=False,
        ),
    ] = "",
    folder: Annotated[Path, typer.Option(help="Where to clone to: an empty or a new folder.")] = Path(),
    pipeline: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Which pipeline, from the repository's root; by default that of the current folder, or the run's.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Clone, check out, run all stages, and compare every output with what the commit or the run says.

    Prints "the same bytes", or the first output that differs and by how much figures differ, and exits with code 1.
    This runs the code of the repository, and of a run what was not committed: reproduce only what you trust.
    """
    from unroll.results.clone import apply_patch, check_folder, check_out, choose_pipeline, open_clone, write_settings
    from unroll.results.outputs import read_expected
    from unroll.results.rerun import choose_python, rerun_pipeline
    from unroll.results.wanted import RUN_ID, find_run
    from unroll.tracking.git import ask_git

    check_folder(folder)
    run = find_run(ref, repository) if RUN_ID.fullmatch(ref) else None
    url, own = _choose_repository(repository, run)
    name, changes = run.name if run else ref, ""
    with open_clone(url, folder) as clone:
        commit = check_out(clone, run.commit if run else ref, url, name if run else "")
        if run and run.patch:
            changes = apply_patch(clone, run.patch, name)
        chosen = choose_pipeline(clone, pipeline or ("" if run else own), run.experiment if run else "")
        there = clone / chosen
        expected = run.expected if run else read_expected(there)
        write_settings(there, Path(url) / chosen)
    _tell("repository", url)
    _tell("commit", ask_git("-C", str(clone), "log", "-1", "--format=%h %cs %s", commit).strip())
    if changes:
        _tell("changes", f"{changes}; `git diff --cached` in {folder} shows what {name} was made with")
    _tell("pipeline", f"{chosen}, whose code runs now in {folder}")
    pulled = rerun_pipeline(there, choose_python(clone, _tell), _tell)
    _compare(name, expected, there, pulled, run.tags if run else {})


def _choose_repository(given: str, run: "Wanted | None") -> tuple[str, str]:
    """Return where to clone from, and if that is the current folder's repository, this folder's pipeline."""
    from unroll.results.clone import has_commit
    from unroll.results.places import find_pipeline
    from unroll.tracking.git import ask_git

    here, own = ask_git("rev-parse", "--show-toplevel").rstrip("\n"), find_pipeline()
    if given:
        url = str(Path(given).resolve()) if Path(given).exists() else given
        return url, own if url == here else ""
    if here and (not run or not run.repository or has_commit(run.commit)):
        return here, own
    if run and run.repository:
        return run.repository, ""
    told = f"{run.name} names no repository" if run else "this folder is in no repository"
    raise InputError(f"{told}: give its address, as in --repository https://example.org/headlines.git")


def _compare(name: str, expected: "Expected", folder: Path, pulled: dict[str, str], tags: Mapping[str, str]) -> None:
    """Print the outcome of each stage and the verdict.

    Raises:
        InputError: an output differs.
    """
    from unroll.results.outputs import count, find_differences, read_outputs, tell_figures, tell_outputs
    from unroll.results.rerun import explain_difference

    made = read_outputs((folder / "dvc.lock").read_bytes())
    for stage, told in tell_outputs(expected.outputs, made):
        _tell(stage, f"{told}{' (pulled, not made)' if stage in pulled else ''}")
    differing = find_differences(expected.outputs, made)
    if not differing:
        compared = [stage for stage, path in made if path in expected.outputs and stage not in pulled]
        if not compared:
            raise InputError(f"nothing of {name} could be made and compared")
        told = f"{count(len(compared), 'output')} of {count(len(set(compared)), 'stage')}"
        print(f"the same bytes: {told}, those of {name}")
        return
    for line in tell_figures(expected.files, folder) or ["no figure differs"]:
        _tell("figures", line)
    if reason := explain_difference(folder, tags):
        _tell("reason", f"maybe: {reason}")
    stage, path = differing[0]
    which = f"the first of {len(differing):,} outputs" if len(differing) > 1 else "the one output"
    verb = "differ" if len(differing) > 1 else "differs"
    raise InputError(f"different: {path} of {stage} is {which} that {verb} from {name}")


def _tell(heading: str, text: str) -> None:
    print(f"{heading:<12}{make_printable(hide_password(text))}", flush=True)
