"""The command that mends: `unroll check`."""

from pathlib import Path

from unroll.errors import InputError


def check() -> None:
    """Read DVC's cache again, and remove what is damaged: a file whose content is not what DVC knows it by.

    Its copies among the outputs go with it, so that DVC notices that they are missing.
    """
    from unroll.cache_check import find_cache, find_damage, list_copies, list_entries

    entries = list_entries(find_cache())
    damages = find_damage(entries)
    removed = [damage.path for damage in damages] + list_copies(damages, Path("dvc.lock"))
    for path in removed:
        path.unlink()
        print(f"removed {path}")
    if damages:
        raise InputError(
            f"{len(damages)} of {len(entries)} files in DVC's cache were damaged: `dvc pull` fetches them again, if "
            "they were pushed before, `dvc repro` makes them again"
        )
    print(f"{len(entries)} files in DVC's cache, none damaged")
