"""What `unroll trace` found, in sections of lines and for programs."""

from configparser import ConfigParser
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from textwrap import wrap
from typing import TYPE_CHECKING, Any, cast

from unroll.base.errors import hide_password, make_printable

if TYPE_CHECKING:
    from unroll.results.history import Commit
    from unroll.results.places import Place
    from unroll.results.trace import Chain
    from unroll.results.traced_runs import Traced

MOST = 10  # places and runs that are printed


@dataclass(frozen=True)
class Finding:
    """What was found: where it stands, the chain of the first of these places, and runs."""

    places: "list[Place]"
    chain: "Chain | None"
    run: "Traced | None"  # the chain's, or what alone knows the number
    others: "list[Traced]"  # other runs whose metrics hold the number


def print_sections(sections: dict[str, list[str]]) -> None:
    """Print each section's name before its first line."""
    for name, lines in sections.items():
        label = name
        for line in lines:
            for part in wrap(make_printable(hide_password(line)), 106, subsequent_indent="  ", break_long_words=False):
                print(f"{label:<12}{part}", flush=True)
                label = ""


def tell_chain(chain: "Chain") -> dict[str, list[str]]:
    """Return what Git tells, by section."""
    place, data, model = chain.place, chain.data, chain.model
    rows = f"{data.rows_out:,} of {data.rows_in:,} rows" if data.rows_in is not None else "rows are not counted"
    drops = ", ".join(f"{count:,} {reason}" for reason, count in data.dropped.items() if count)
    address = f"{data.dataset} ({', '.join(data.addresses)})" if data.addresses else data.dataset
    files = [f"{part}: SHA-256 {file['sha256']}, {file['bytes']:,} bytes" for part, file in data.sources.items()]
    stages = [
        f"{stage.name}: {', '.join(f'{path} {md5[:10]}' for path, md5 in stage.outputs.items()) or 'no outputs'}"
        for stage in chain.stages
    ]
    changed = [f"{name} = {value} (default {usual})" for name, (value, usual) in chain.changed.items()]
    held = f"{'' if find_cached(chain) else 'not '}in DVC's cache here"
    sections = {
        "figure": [_tell_place(place)],
        "commit": [
            _tell_commit(place.commit),
            *([f"which has it from {_tell_commit(place.since)}"] if place.since else []),
        ],
        "held by": [", ".join(ref.label for ref in place.refs[:MOST]) or "history alone, no branch or tag"],
        "data": [address or "no params.yaml", *files, f"{rows}{f', dropped: {drops}' if drops else ''}"],
        "stages": stages or ["no dvc.lock"],
        "parameters": changed or ["the defaults"],
        "packages": [" ".join(chain.packages) or "not listed in this commit"],
        "model": [f"{model}: MD5 {chain.model_md5}, {held}"] if model else ["none"],
        "again": [chain.command],
    }
    sections["parameters"].append(f"defaults: {chain.defaults}")
    if chain.experiment:
        sections["again"].append(f"dvc exp apply {quote(chain.experiment)}, to have it in this folder")
    if chain.uncommitted:
        sections["uncommitted"] = _shorten(list(chain.uncommitted))
    return sections


def tell_run(run: "Traced | None") -> dict[str, list[str]]:
    """Return what MLflow tells, by section."""
    if not run:
        return {}
    from unroll.results.trace import suggest_folder

    machine = ", ".join(f"{name} {value}" for name, value in run.machine.items())
    restored = ", made after the training, maybe elsewhere" if run.is_restored else ""
    started = f"started from {run.commit[:10]}, " if run.commit else ""
    again = [f"unroll reproduce {run.run_id} --folder {suggest_folder()}"] if run.output_md5 else []
    figures = [f"{name} = {value:.6g}" for name, value in run.figures.items()]
    return {
        "run": [f"{run.run_id} {run.name}, {run.status}{restored}", machine, *_shorten(figures)],
        "code": [f"{started}uncommitted: {run.uncommitted or 'nothing'}", *again],
    }


def tell_rest(finding: Finding) -> dict[str, list[str]]:
    """Return the run, and the other places and runs."""
    sections = tell_run(finding.run)
    first = finding.chain.place if finding.chain else None
    others = [place for place in finding.places if place != first]
    if others:
        name = "also in" if first else "stands in"
        sections[name] = _shorten([f"{name_place(place)}  {_tell_commit(place.commit)}" for place in others])
    if finding.others:
        sections["other runs"] = _shorten([f"{run.run_id} {run.name}" for run in finding.others])
    return sections


def describe_finding(finding: Finding) -> dict[str, Any]:
    """Return the finding for programs."""
    chain = finding.chain
    described = {
        "chain": None
        if not chain
        else {
            "place": _describe_place(chain.place),
            "data": asdict(chain.data),
            "stages": [asdict(stage) for stage in chain.stages],
            "changed": {name: {"value": a, "default": b} for name, (a, b) in chain.changed.items()},
            "defaults": chain.defaults,
            "params": chain.params,
            "packages": chain.packages,
            "model": {"path": chain.model, "md5": chain.model_md5, "cached": find_cached(chain)},
            "uncommitted": chain.uncommitted,
            "again": chain.command,
        },
        "run": asdict(finding.run) if finding.run else None,
        "places": [_describe_place(place) for place in finding.places],
        "other_runs": [asdict(run) for run in finding.others],
    }
    return cast(dict[str, Any], _hide(described))


def find_cached(chain: "Chain") -> bool:
    """Whether the model is in the cache of the pipeline's DVC on this machine."""
    from unroll.tracking.git import ask_git

    md5, own = chain.model_md5, ConfigParser(interpolation=None)
    dvc = Path(ask_git("rev-parse", "--show-toplevel").rstrip("\n")) / chain.place.folder / ".dvc"
    own.read([dvc / "config", dvc / "config.local"], encoding="utf-8")
    cache = dvc / own.get("cache", "dir", fallback="cache")
    return any((cache / "files" / "md5" / md5[:2] / f"{md5[2:]}{end}").is_file() for end in ("", ".dir") if md5)


def _tell_place(place: "Place") -> str:
    from unroll.results.history import read_figures

    figures = read_figures(place.content) if place.value is None else {place.key: place.value}
    told = [f"{key} = {value}" for key, value in figures.items()]
    return f"{place.folder}{place.file} {', '.join(_shorten(told))}".strip()


def name_place(place: "Place") -> str:
    """Return how to ask for it."""
    name = f"{place.commit.id[:10]}:{place.folder}{place.file}" if place.commit.id else f"{place.folder}{place.file}"
    return f"{name} {place.key}".strip()


def _tell_commit(commit: "Commit") -> str:
    if not commit.id:
        return commit.subject
    return f"{commit.id[:10]} {datetime.fromtimestamp(commit.committed_at, UTC):%Y-%m-%d} {commit.subject}"


def _describe_place(place: "Place") -> dict[str, Any]:
    return {
        "commit": asdict(place.commit),
        "since": asdict(place.since or place.commit),
        "file": place.folder + place.file,
        "key": place.key,
        "value": place.value,
        "made": place.is_made,
        "refs": [ref.label for ref in place.refs],
    }


def _shorten(lines: list[str]) -> list[str]:
    more = len(lines) - MOST
    return [*lines[:MOST], f"and {more:,} more: --format json has all"] if more > 0 else lines


def _hide(value: Any) -> Any:
    """Hide the passwords in whatever is printed as JSON."""
    if isinstance(value, dict):
        return {name: _hide(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_hide(item) for item in value]
    return hide_password(value) if isinstance(value, str) else value
