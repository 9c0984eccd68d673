"""Which modules of the package, and which other packages, a module needs."""

import ast
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "src" / "unroll"


def find_modules(module: Path, without: str = "") -> set[Path]:
    """Return the files of the package that `module` imports, at any depth and anywhere in the code, itself included.

    without: a room (subpackage) that is not followed.
    """
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        current = waiting.pop()
        if current not in found and (not without or find_room(current) != without):
            found.add(current)
            waiting += find_imports(current)
    return found


def find_imports(module: Path) -> list[Path]:
    """Return the files of the package that `module` itself imports, anywhere in the code."""
    return [path for name in _imported_names(module) if (path := _locate(name))]


def find_room(module: Path) -> str | None:
    """Return the folder of the package that a file is in."""
    return module.relative_to(PACKAGE).parts[0] if module.is_relative_to(PACKAGE) else None


def find_packages(module: Path) -> set[str]:
    """Return the names of the packages that these modules import and that do not come with Python."""
    names = {name.split(".")[0] for path in find_modules(module) for name in _imported_names(path, types=False)}
    return names - {"unroll"} - sys.stdlib_module_names


def _imported_names(module: Path, types: bool = True) -> set[str]:
    """Return what the module imports, anywhere in the code; types: also what only annotations need."""
    names, tree = set(), ast.parse(module.read_text())
    if not types:
        blocks = [node for node in tree.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
        tree.body = [node for node in tree.body if node not in blocks]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _locate(name: str) -> Path | None:
    if not name.startswith("unroll."):
        return None
    path = PACKAGE.joinpath(*name.split(".")[1:]).with_suffix(".py")
    return path if path.is_file() else None
