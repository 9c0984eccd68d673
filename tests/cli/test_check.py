"""`unroll check`: damaged files in DVC's cache."""

import hashlib
from pathlib import Path

from unroll.cli.check import find_damage, list_copies, list_entries


def add(cache: Path, content: bytes, kept: bytes, suffix: str = "") -> Path:
    """Store content under the name of other content."""
    md5 = hashlib.md5(content).hexdigest()
    path = cache / md5[:2] / f"{md5[2:]}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(kept)
    return path


def test_what_is_not_what_its_name_says_is_found_with_its_copies(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    cache = tmp_path / "cache"
    add(cache, b"whole", b"whole")
    add(cache, b"[folder]", b"[folder]", suffix=".dir")
    damaged = [add(cache, b"file", b"fi"), add(cache, b"[more]", b"", suffix=".dir")]
    (cache / "00").mkdir(exist_ok=True)
    (cache / "00" / "half.tmp").write_bytes(b"what DVC is just writing")
    entries = list_entries(cache)
    assert len(entries) == 4
    found = find_damage(entries)
    assert sorted(damage.path for damage in found) == sorted(damaged)
    (tmp_path / "data").mkdir()
    for name, content in (("data/a", b"fi"), ("data/b", b"by hand"), ("c", b"fi"), ("mine", b"fi")):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "dvc.lock").write_text(
        "stages:\n  one:\n    outs:\n    - path: data\n    - path: c\n    - path: gone\n"
    )
    assert list_copies(found, Path("dvc.lock")) == [Path("c"), Path("data/a")]
    assert list_copies([], Path("dvc.lock")) == []
