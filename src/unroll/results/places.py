"""Where a figure or an output stands: in which commits, branches, tags and DVC experiments."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from posixpath import normpath

from unroll.base.errors import InputError
from unroll.results.history import (
    LOCKS,
    METRICS,
    Commit,
    Ref,
    Version,
    find_outputs,
    list_refs,
    list_versions,
    read_commit,
    read_figures,
)
from unroll.results.numbers import Number, read_number
from unroll.tracking.git import ask_git, read_files

MAIN_FILE = "metrics/test.json"
METRICS_FILE = re.compile(r"(?!\.\./)(.+/)?metrics/[^/]+\.json")
MD5 = re.compile(r"[0-9a-f]{7,32}")  # or how one begins


@dataclass(frozen=True)
class Place:
    """Where a figure, a metrics file or another output stands."""

    commit: Commit  # whose chain made it
    folder: str  # of the pipeline, from the repository's root: "" or "pipelines/sine/"
    file: str  # from there
    key: str = ""  # "macro_f1", "classes.World.f1"; empty for a file as a whole
    value: float | None = None
    content: bytes = b""  # of the file, if it is in Git
    refs: tuple[Ref, ...] = ()  # that hold the file now, as it is here
    is_made: bool = True  # dvc.lock there records this very file
    since: Commit | None = None  # that brought it, if that is another

    @property
    def tips(self) -> tuple[Ref, ...]:
        """The refs that name the very commit."""
        return tuple(ref for ref in self.refs if ref.commit == self.commit.id)


def find_places(what: str, key: str = "") -> list[Place]:
    """Return where something stands, the present first, then the newest; nothing if it stands nowhere.

    what: `[REVISION:]FILE:KEY`, or without the key; a number; a branch, tag, commit or experiment; the MD5 of an
    output, or how that begins; taken for the first of these that it can be.

    Raises:
        InputError: there is no repository, or no such file or key.
    """
    if not ask_git("rev-parse", "--git-dir"):
        raise InputError("this folder is in no Git repository: nothing can be traced")
    figures: list[Place] = []
    if ":" in what or key or what.endswith(".json"):
        places = [_find_file(what, key)]
    else:
        md5, number = what.lower().removesuffix(".dir"), read_number(what)
        figures = list(_find_number(number)) if number else []
        places = figures or _find_revision(what) or (list(_find_output(md5)) if MD5.fullmatch(md5) else [])
    here = find_pipeline()

    def rank(place: Place) -> tuple[bool | int | str, ...]:
        is_current = any(ref.ref == "HEAD" for ref in place.refs)
        about = place.is_made, not place.commit.id, is_current, bool(place.refs), place.folder == here
        return *(not good for good in about), -place.commit.committed_at, place.file != MAIN_FILE, place.file

    return sorted(_check_locks(_add_refs(places), by_head=bool(figures)), key=rank)


def find_pipeline() -> str:
    """Return the folder of the pipeline here, from the repository's root: "pipelines/sine/"; or "", the root's."""
    return ask_git("rev-parse", "--show-prefix").rstrip("\n") if Path("dvc.yaml").is_file() else ""


def _find_number(number: Number) -> Iterator[Place]:
    found: dict[bytes, list[tuple[str, float]]] = {}
    for version in list_versions(METRICS):
        if version.content not in found:
            figures = read_figures(version.content)
            found[version.content] = [(key, value) for key, value in figures.items() if number.fits(value)]
        for key, value in found[version.content]:
            yield Place(version.commit, *_split(version.path, "metrics/"), key, value, version.content)


def _find_output(md5: str) -> Iterator[Place]:
    """Yield HEAD, if its dvc.lock records it, and the newest commit if that has another one; for each output."""
    newest: dict[tuple[str, str], Version] = {}
    for version in list_versions(LOCKS):
        for file in find_outputs(version.content, md5):
            newest.setdefault((version.path, file), version)
    refs = list_refs()
    asked = [(path, ref) for path in dict.fromkeys(path for path, _ in newest) for ref in refs]
    locks = dict(zip(asked, read_files([f"{ref.ref}:{path}" for path, ref in asked]), strict=True))
    for (path, file), version in newest.items():
        folder, _ = _split(path, "dvc.lock")
        holders = tuple(ref for ref in refs if file in find_outputs(locks[path, ref] or b"", md5))
        if refs[0] in holders:
            head, brought = read_commit("HEAD"), ("-S", md5, "HEAD", "--", f":(top,literal){path}")
            since = read_commit(ask_git("log", "-1", "--format=%H", *brought).strip() or "HEAD")
            yield Place(head, folder, file, refs=holders, since=since if since != head else None)
        if locks[path, refs[0]] != version.content:
            yield Place(version.commit, folder, file, refs=tuple(ref for ref in holders if ref != refs[0]))


def _find_file(what: str, key: str) -> Place:
    """Read `[REVISION:]FILE[:KEY]`; without a revision, that is the working folder."""
    revision, separator, rest = what.partition(":")
    if revision.endswith(".json") or not separator:
        revision, rest = "", what
    asked, _, own_key = rest.partition(":")
    key = key or own_key
    here = ask_git("rev-parse", "--show-prefix").rstrip("\n")
    # As for Git, a path after a revision begins at the root, unless it begins with a point; without one, here or there.
    starts = (here, "") if not revision else (here if asked.startswith(("./", "../")) else "",)
    paths = list(dict.fromkeys(normpath(start + asked) for start in starts))
    paths = [path for path in paths if METRICS_FILE.fullmatch(path)]
    if not paths:
        before = f" before the key {key!r}" if key else ""
        raise InputError(
            f"{asked!r} is no JSON file in metrics/: expected one{before}, as in metrics/test.json:macro_f1; "
            "a number, an MD5 or a revision stands alone"
        )
    version = next(filter(None, (_read_version(path, revision) for path in paths)), None)
    if not version:
        raise InputError(f"there is no {' or '.join(paths)} in {revision or 'HEAD, nor one that is not committed'}")
    figures = read_figures(version.content)
    if key and key not in figures:
        raise InputError(f"{version.path} has no number {key!r}: expected one of {', '.join(figures) or 'none'}")
    return Place(version.commit, *_split(version.path, "metrics/"), key, figures.get(key), version.content)


def _read_version(path: str, revision: str) -> Version | None:
    """Return a file as it is in a revision; without one, in the working folder, or if it is committed, in HEAD."""
    if not revision:
        for version in list_versions(f":(top,literal){path}"):
            if not version.commit.id:
                return version
    commit, *_ = _find_commits(revision or "HEAD")
    (content,) = read_files([f"{commit.id}:{path}"])
    return None if content is None else Version(commit, path, content)


def _find_revision(name: str) -> list[Place]:
    folder = find_pipeline()
    try:
        commits = _find_commits(name)
    except InputError:
        return []
    contents = list(read_files([f"{commit.id}:{folder}{MAIN_FILE}" for commit in commits]))
    if not any((*contents, *read_files([f"{commit.id}:{folder}dvc.lock" for commit in commits]))):
        raise InputError(f"{name} has neither {folder}{MAIN_FILE} nor {folder}dvc.lock: nothing was made there")
    return [
        Place(commit, folder, MAIN_FILE, content=content or b"")
        for commit, content in zip(commits, contents, strict=True)
    ]


def _find_commits(name: str) -> list[Commit]:
    """Return the commit that Git knows by this name, then those of experiments of this name, the newest first."""
    named = [read_commit(ref.ref) for ref in list_refs() if ref.is_experiment and ref.ref.split("/", 4)[4] == name]
    named.sort(key=lambda commit: -commit.committed_at)
    try:
        return [read_commit(name), *named]
    except InputError:
        if not named:
            raise
    return named


def _add_refs(places: list[Place]) -> list[Place]:
    """Add the refs whose version of the file is the same; of an output, they are known."""
    refs, paths = list_refs(), dict.fromkeys(place.folder + place.file for place in places if place.content)
    asked = [(ref, path) for path in paths for ref in refs]
    holders: dict[tuple[str, bytes], set[Ref]] = {}
    for (ref, path), content in zip(asked, read_files([f"{ref.ref}:{path}" for ref, path in asked]), strict=True):
        holders.setdefault((path, content or b""), set()).add(ref)

    def has(ref: Ref, place: Place) -> bool:
        own = holders.get((place.folder + place.file, place.content), set()) if place.content else set()
        return ref in own or ref.commit == place.commit.id

    return [
        place if place.refs else replace(place, refs=tuple(ref for ref in refs if has(ref, place))) for place in places
    ]


def _check_locks(places: list[Place], by_head: bool) -> list[Place]:
    """Say of each place whether the dvc.lock beside it records the file; if only a later one does, go there.

    by_head: go to HEAD wherever it records the file: there are today's code and parameters, and the run that has both.
    """
    root = Path(ask_git("rev-parse", "--show-toplevel").rstrip("\n"))
    asked = [
        (place, revision)
        for place in places
        for revision in _order_revisions(place, by_head)
        if place.content and place.commit.id
    ]
    locks = read_files([f"{revision}:{place.folder}dvc.lock" for place, revision in asked])
    makers: dict[Place, str] = {}
    for (place, revision), lock in zip(asked, locks, strict=True):
        if _is_recorded(place, lock or b""):
            makers.setdefault(place, revision)
    checked = []
    for place in places:
        if not place.content:
            checked.append(place)
        elif not place.commit.id:
            path = root / place.folder / "dvc.lock"
            checked.append(replace(place, is_made=path.is_file() and _is_recorded(place, path.read_bytes())))
        elif makers.get(place, place.commit.id) == place.commit.id:
            checked.append(replace(place, is_made=place in makers))
        else:
            commit = read_commit(makers[place])
            checked.append(replace(place, commit=commit, since=place.commit if commit.id != place.commit.id else None))
    return checked


def _order_revisions(place: Place, by_head: bool) -> list[str]:
    """Return the place's commit and the refs that hold the file, with `by_head` HEAD first."""
    refs = [ref.ref for ref in place.refs]
    return ["HEAD", place.commit.id, *refs] if by_head and "HEAD" in refs else [place.commit.id, *refs]


def _is_recorded(place: Place, lock: bytes) -> bool:
    return place.file in find_outputs(lock, hashlib.md5(place.content, usedforsecurity=False).hexdigest())


def _split(path: str, mark: str) -> tuple[str, str]:
    """Split a path from the root into the pipeline's folder and the path from there."""
    folder, _, name = path.rpartition(mark)
    return folder, mark + name
