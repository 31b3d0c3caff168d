"""The house: imports point down only, heavy packages load when first needed, and files stay short."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "dualgrad"

# From bottom to top; rooms on one line are neighbours and may see each other.
FLOORS = [
    ["core"],
    ["rules"],
    ["transforms"],
    ["backends"],
    ["read"],
    ["native"],
    ["numbers"],
    ["kernels", "lifting"],
    ["api"],
    ["scipy", "interop"],
    ["seeing"],
    ["__init__", "__main__", "catalogue", "tour"],
]
LEVEL = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}

# Files that may import numba when they are imported themselves.  What `import dualgrad` loads must not be
# among them in effect: `test_import_is_light` looks at a fresh interpreter.
NUMBA_AT_IMPORT = ("backends/", "native/", "kernels.py", "tour.py")
HEAVY = {"numba", "llvmlite", "scipy", "matplotlib"}
# A file holds one idea and a function fits in the head: what is longer is a place to split.
LONGEST_FILE, LONGEST_FUNCTION = 550, 60

FILES = sorted(PACKAGE.rglob("*.py"))


def module_name(path, package=PACKAGE):
    """`dualgrad/core/program.py` -> ["dualgrad", "core", "program"]; a folder's `__init__` is the folder."""
    parts = [package.name, *path.relative_to(package).with_suffix("").parts]
    return parts[:-1] if parts[-1] == "__init__" else parts


def room(parts):
    """The room of a module: the folder or the file directly under the package."""
    return parts[1] if len(parts) > 1 else "__init__"


def imports(path, tree=None, package=PACKAGE):
    """(line, module as a list of names, at module level?) for every import statement of a file."""
    tree = tree or ast.parse(path.read_text(encoding="utf-8"))
    here = module_name(path, package)
    folder = here if path.name == "__init__.py" else here[:-1]
    inside = {id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
              for n in ast.walk(f)}  # fmt: skip
    typing_only = {id(n) for b in ast.walk(tree) if isinstance(b, ast.If) and "TYPE_CHECKING" in ast.dump(b.test)
                   for n in ast.walk(b)}  # fmt: skip
    for node in ast.walk(tree):
        at_import = id(node) not in inside and id(node) not in typing_only
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name.split("."), at_import
        elif isinstance(node, ast.ImportFrom):
            base = folder[: len(folder) - node.level + 1] if node.level else []
            base = base + (node.module.split(".") if node.module else [])
            for alias in node.names:
                yield node.lineno, [*base, alias.name], at_import


def target_room(parts, package=PACKAGE):
    """The room an import of `dualgrad...` points to; `from dualgrad import grad` points to the top."""
    if len(parts) > 1 and ((package / parts[1]).is_dir() or (package / f"{parts[1]}.py").exists()):
        return parts[1]
    return "__init__"


def uphill(path, package=PACKAGE):
    """Every import of a file that points up."""
    own = LEVEL[room(module_name(path, package))]
    for line, parts, _ in imports(path, package=package):
        if parts[0] == package.name and LEVEL[target_room(parts, package)] > own:
            yield f"{path.name}:{line} imports {'.'.join(parts)}"


def test_every_room_has_a_floor():
    rooms = {room(module_name(f)) for f in FILES}
    assert rooms <= set(LEVEL), f"say in this test which floor these belong to: {sorted(rooms - set(LEVEL))}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path):
    assert not list(uphill(path))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_heavy_packages_are_imported_lazily(path):
    name = path.relative_to(PACKAGE).as_posix()
    for line, parts, at_import in imports(path):
        assert parts[0] != "sympy", f"{name}:{line}: symbolic packages stay in the tests"
        allowed = parts[0] in ("numba", "llvmlite") and name.startswith(NUMBA_AT_IMPORT)
        assert not at_import or parts[0] not in HEAVY or allowed, f"{name}:{line} imports {parts[0]} at import time"


def test_import_is_light(child_environment):
    code = "import sys, dualgrad; print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    run = [sys.executable, "-W", "error", "-c", code]
    loaded = subprocess.run(run, env=child_environment, capture_output=True, text=True, check=True).stdout.split()
    assert not set(loaded) & (HEAVY | {"sympy"})


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_and_functions_are_short(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[bool(ast.get_docstring(node)) :][:1] or [node]  # the docstring does not count
            assert node.end_lineno - first[0].lineno < LONGEST_FUNCTION, f"{node.name} is long"


@pytest.mark.parametrize(
    ("file", "text", "points_up"),
    [
        ("core/a.py", "from ..api import verbs", True),
        ("core/a.py", "from . import b", False),
        ("core/a.py", "def f():\n    import dualgrad.rules", True),
        ("core/a.py", "from dualgrad import grad", True),
        ("core/__init__.py", "from .. import rules", True),
        ("core/__init__.py", "from .a import b", False),
        ("api/a.py", "from dualgrad import core\nfrom ..core import b\nimport numpy", False),
        ("kernels.py", "from .lifting import lift", False),
        ("kernels.py", "from . import api", True),
        ("__init__.py", "from .api import grad", False),
    ],
)
def test_this_test_sees_an_import_that_points_up(tmp_path, file, text, points_up):
    package = tmp_path / "dualgrad"
    for name in ("core", "rules", "api"):
        (package / name).mkdir(parents=True)
    (package / "lifting.py").touch()
    path = package / file
    path.write_text(text)
    assert bool(list(uphill(path, package))) == points_up
