"""The kernel cache: equal fingerprints mean equal derivatives, and a second process compiles nothing."""

import io
import os
import subprocess
import sys
import textwrap
import types
from collections import namedtuple
from pathlib import Path

import numba
import numpy as np
import pytest
from numba import njit

import dualgrad as dg
from dualgrad.backends import fingerprint as fingerprints
from dualgrad.backends import modules
from dualgrad.backends.fingerprint import CannotFingerprint, fingerprint
from dualgrad.kernels import Transform, derive

# ---- fingerprints


@pytest.fixture(autouse=True)
def _quiet_working_tree(monkeypatch):
    """The library's own text is no part of these fingerprints: a tree that is being edited has none."""
    monkeypatch.setattr(fingerprints, "versions", tuple)


def module_from(text, name="somewhere", **names):
    """A module executed from text, with ``names`` among its globals."""
    module = types.ModuleType(name)
    vars(module).update(names)
    exec(compile(textwrap.dedent(text), f"<{name}>", "exec"), vars(module))
    return module


def of_text(text, **names):
    return fingerprint(module_from(text, **names).f)


ORIGINAL = """
    import math
    import numpy as np
    from numba import njit
    K, ROW, TABLE, OPTIONS = 2.0, (1, 2.0), np.arange(3.0), {"a": 1}
    def deep(x): return x + 1
    inner = njit(lambda x: deep(x))
    def outer(c):
        def f(x, k=3.0, *, j=4):
            g = lambda y: y * 5.0 + TABLE[0]
            return g(x) * K * c + inner(x) + math.sin(x) + ROW[0] + helpers.scale(x) + OPTIONS["a"]
        return f
    f = njit(outer(6.0))
"""
HELPERS = "def scale(x): return FACTOR * x\nFACTOR = 7.0\nunused = 1"


def of_original(old="", new="", helpers=HELPERS, **names):
    assert old in ORIGINAL
    return of_text(ORIGINAL.replace(old, new), helpers=module_from(helpers, "helpers"), **names)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("y * 5.0", "y * 5.5"),
        ("y * 5.0", "y + 5.0"),
        ("= 2.0, (1", "= 2.5, (1"),
        ("(1, 2.0)", "(1, 2)"),
        ("(1, 2.0)", "[1, 2.0]"),
        ("np.arange(3.0)", "np.arange(3.0)[::-1].copy()"),
        ("np.arange(3.0)", "np.arange(3)"),
        ("np.arange(3.0)", "np.arange(3.0).reshape(1, 3)"),
        ("np.arange(3.0)", "np.repeat(np.arange(3.0), 2)[::2]"),
        ('{"a": 1}', '{"a": 1.0}'),
        ("x + 1", "x + 2"),
        ("njit(lambda", "njit(fastmath=True)(lambda"),
        ("f = njit(", "f = njit(boundscheck=True)("),
        ("f = njit(", "f = ("),
        ("outer(6.0)", "outer(6)"),
        ("k=3.0", "k=3"),
        ("j=4", "j=5"),
        ("math.sin", "math.cos"),
    ],
)
def test_what_the_function_reaches_changes_the_fingerprint(old, new):
    assert of_original(old, new) != of_original()


@pytest.mark.parametrize("helpers", [HELPERS.replace("7.0", "8.0"), HELPERS.replace("FACTOR * x", "x * FACTOR")])
def test_functions_of_another_module_change_the_fingerprint(helpers):
    assert of_original(helpers=helpers) != of_original()


def test_what_it_does_not_reach_changes_nothing():
    moved = "import math", "import math\n    # a comment\n\n    elsewhere = 1"
    assert of_original(*moved) == of_original(helpers=HELPERS.replace("= 1", "= 2")) == of_original()


def test_chain_and_argument_types_change_the_fingerprint():
    f, g, h, x = njit(lambda x: x), njit(lambda x: x + 1), njit(lambda x: x + 2), numba.float64[::1]
    things = [
        (f, (), (x,)),
        (f, (), (numba.float64[:],)),
        (f, (), (numba.float32[::1],)),
        (f, (), (numba.types.Omitted(1.0),)),
        (f, (), (numba.types.Omitted(2.0),)),
        (f, (), (numba.types.UniTuple(x, 2),)),
        (f, (), (numba.typeof(g),)),
        (f, (), (numba.typeof(h),)),
        (f, (Transform("grad"),), (x,)),
        (f, (Transform("grad", (("argnums", 1),)),), (x,)),
        (f, (Transform("grad"), Transform("grad")), (x,)),
        (derive(f, (Transform("grad"),)), (), (x,)),
    ]
    assert len({fingerprint(*thing) for thing in things}) == len(things)


def test_named_tuples_count_by_their_fields():
    one, two = namedtuple("P", "x y"), namedtuple("P", "y x")
    assert fingerprint(one) != fingerprint(two)
    assert fingerprint(one(1, 2)) != fingerprint(two(1, 2)) != fingerprint((1, 2))
    assert fingerprint(numba.typeof(one(1, 2))) != fingerprint(numba.typeof(two(1, 2)))


def test_neighbouring_values_do_not_run_together():
    pairs = [("ab", "c"), ("a", "bc"), (("a",), "b"), ("a", ("b",)), (1, 2), (1.0, 2), (True, 2), ("1", 2), (b"1", 2)]
    assert len({fingerprint(*pair) for pair in pairs}) == len(pairs)
    assert fingerprint(0.0) != fingerprint(-0.0)


def test_functions_that_call_each_other_end_the_walk():
    text = "from numba import njit\nf = njit(lambda n: g(n - 1){})\ng = njit(lambda n: f(n))"
    assert of_text(text.format("")) == of_text(text.format("")) != of_text(text.format("+ 1"))


def test_an_object_can_say_what_it_depends_on():
    def having(rule):
        return types.SimpleNamespace(__dualgrad_fingerprint__=lambda: rule)

    assert fingerprint(having("a")) == fingerprint(having("a")) != fingerprint(having("b"))


@pytest.mark.parametrize(
    "thing",
    [object(), io.StringIO(), np.frompyfunc(abs, 1, 1), np.array([object()]), np.random.default_rng(0)],
    ids=lambda thing: type(thing).__name__,
)
def test_what_cannot_be_known_is_refused(thing):
    with pytest.raises(CannotFingerprint):
        fingerprint(types.FunctionType(compile("thing", "", "eval"), {"thing": thing}))


def test_a_function_that_only_claims_to_be_numpys_is_read():
    def fake(x):
        return x

    before = fingerprint(fake)
    fake.__module__ = "numpy"
    assert fingerprint(fake) == before


def test_dualgrads_own_text_counts_unless_it_was_edited_after_import(monkeypatch):
    monkeypatch.undo()
    fingerprints.versions.cache_clear()
    monkeypatch.setattr(fingerprints, "IMPORTED", 0.0)
    with pytest.raises(CannotFingerprint, match=r"\.py, which was edited after its import"):
        fingerprints.versions()
    monkeypatch.setattr(fingerprints, "IMPORTED", np.inf)
    assert sys.version in fingerprints.versions() and np.__version__ in fingerprints.versions()
    fingerprints.versions.cache_clear()


# ---- places and files


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("DUALGRAD_CACHE_DIR", str(tmp_path / "here"))
    assert modules.cache_folder() == tmp_path / "here"
    monkeypatch.delenv("DUALGRAD_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert modules.cache_folder() == tmp_path / "dualgrad"


def test_a_folder_that_cannot_be_made_gives_way_to_a_private_one(tmp_path):
    (tmp_path / "file").write_text("")
    place = modules.Place(tmp_path / "file" / "folder", "dualgrad_f").writable()
    assert not place.lasting and place.folder.is_dir() and place.folder.stat().st_mode & 0o077 == 0


def test_files_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    modules.write(tmp_path / "a.py", "old")
    monkeypatch.setattr(os, "replace", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        modules.write(tmp_path / "a.py", "new")
    assert [file.name for file in tmp_path.iterdir()] == ["a.py"] and (tmp_path / "a.py").read_text() == "old"


def test_labels_become_file_names():
    place = modules.place_for("grad_<lambda>", "0" * 20)
    assert place.source.name == "dualgrad_grad__lambda__00000000000000000000.py"
    assert modules.place_for("grad_f", None) != modules.place_for("grad_f", None)


# ---- from process to process

CHILD = """
import logging, os, sys, types
import numpy as np
from numba import njit
from numba.core import event
from dualgrad import kernels
from dualgrad.backends import fingerprint
from dualgrad.backends.modules import Generated

fingerprint.versions = lambda: ()  # the working tree may change between two children
logging.basicConfig(level=logging.INFO, format="log: %(message)s", stream=sys.stdout)
events = event.RecordingListener()
event.register("numba:compile", events)

def use(source, **injected):
    def generate(*_):
        print("generated")
        return Generated(source, "entry", injected)
    kernels.hooks.generate = generate

def grad(f):
    return kernels.derive(f, (kernels.Transform("grad"),))
"""

SQUARE = CHILD + """
use("import numpy as np\\ndef entry(x):\\n    return 2.0 * x, np.ones(2)\\n")
print(grad(njit(lambda x: x * x))(np.arange(3.0))[0], len(events.buffer))
"""  # fmt: skip


@pytest.fixture
def child(tmp_path, child_environment):
    """Runs a program that shares one cache folder with those before; returns what it printed."""

    def start(code, **environment):
        env = {**child_environment, "DUALGRAD_CACHE_DIR": str(tmp_path / "cache"), **environment}
        (tmp_path / "child.py").write_text(code)
        return subprocess.Popen([sys.executable, tmp_path / "child.py"], env=env, stdout=-1, stderr=-1, text=True)

    def run(code, **environment):
        out, err = start(code, **environment).communicate()
        assert not err, err
        return out

    run.start = start
    run.folder = tmp_path / "cache"
    return run


def files(folder, pattern="*"):
    return sorted(path for path in Path(folder).glob(pattern) if path.is_file())


def test_a_second_process_compiles_nothing(child):
    first, second = child(SQUARE, PYTHONHASHSEED="1"), child(SQUARE, PYTHONHASHSEED="2")
    assert "generated" in first and "log: compiled grad of <lambda>" in first
    assert "generated" not in second and "log: loaded" in second and second.endswith("[0. 2. 4.] 0\n")
    source, binary = files(child.folder, "*.py") + files(child.folder, "*.nbc")
    assert files(child.folder) == sorted([source, binary]) and source.stem == binary.stem


def test_loading_imports_nothing_that_only_compiling_needs_and_compiling_goes_on_after_it(child):
    child(SQUARE)
    code = SQUARE + textwrap.dedent("""
        print("numba.np.linalg" in sys.modules)
        print(njit(lambda x: np.exp(x).sum())(np.zeros(3)))
    """)
    assert child(code).endswith("[0. 2. 4.] 0\nFalse\n3.0\n")


def test_library_calls_and_errors_survive_loading(child):
    source = "def entry(w, x):\n    if x[0] < 0:\n        raise ValueError('negative')\n    return w @ x\n"
    code = CHILD + textwrap.dedent(f"""
        use({source!r})
        g = grad(njit(lambda w, x: w))
        print(g(np.eye(2), np.array([0.0, 1.0])))
        try:
            g(np.eye(2), -np.ones(2))
        except ValueError as error:
            print(repr(error))
    """)
    pytest.importorskip("scipy")
    first, second = child(code), child(code)
    assert "generated" in first and "generated" not in second
    assert first.splitlines()[-2:] == second.splitlines()[-2:] == ["[0. 1.]", "ValueError('negative')"]


def test_injected_functions_and_arrays_are_kept_too(child):
    code = CHILD + textwrap.dedent("""
        def scale(c):
            @njit
            def scaled(x):
                return c * x
            return scaled
        s, table = scale(3.0), np.arange(4.0)
        use("def entry(x):\\n    return helper(x) * TABLE[2]\\n", helper=s, TABLE=table)
        print(grad(njit(lambda x: s(x) * table[2]))(1.0))
    """)
    first, second = child(code), child(code)
    assert "generated" in first and "generated" not in second and second.endswith("6.0\n")
    changed = child(code.replace("scale(3.0)", "scale(4.0)"))
    assert "generated" in changed and changed.endswith("8.0\n")


def test_an_edited_callee_in_another_file_changes_the_derivative(child, tmp_path):
    code = CHILD + f"sys.path.insert(0, {str(tmp_path)!r})\n" + textwrap.dedent("""
        import callee
        @njit
        def f(x):
            return callee.g(x)
        use(f"def entry(x):\\n    return {callee.FACTOR} * x\\n")
        print(grad(f)(1.0))
    """)  # fmt: skip
    for factor in (2.0, 3.0, 2.0):
        (tmp_path / "callee.py").write_text(
            f"from numba import njit\nFACTOR = {factor}\n@njit\ndef g(x): return FACTOR * x"
        )
        assert child(code, PYTHONDONTWRITEBYTECODE="1").endswith(f"{factor}\n")
    assert len(files(child.folder, "*.nbc")) == 2


def test_what_has_no_fingerprint_leaves_no_file(child):
    code = CHILD + textwrap.dedent("""
        use("def entry(x):\\n    return 2.0 * x\\n")
        secret = object()
        @njit
        def f(x):
            return x if secret is None else x * x
        print(grad(f)(1.0))
    """)
    for out in (child(code), child(code)):
        assert "generated" in out and out.endswith("2.0\n")
        assert "log: grad of f is compiled anew in each process: it depends on builtins.object" in out
    assert not child.folder.exists()


def test_large_arrays_are_compiled_anew(child):
    code = CHILD + textwrap.dedent("""
        table = np.arange(1e6)
        use("def entry(x):\\n    return x * TABLE[2]\\n", TABLE=table)
        print(grad(njit(lambda x: x * table[2]))(1.0))
    """)
    for out in (child(code), child(code)):
        assert "generated" in out and out.endswith("2.0\n")


def test_a_damaged_file_is_only_a_lost_file(child):
    child(SQUARE)
    (source,), (binary,) = files(child.folder, "*.py"), files(child.folder, "*.nbc")
    damages = [
        lambda: binary.write_bytes(binary.read_bytes()[:1000]),
        lambda: binary.write_bytes(b"noise"),
        lambda: source.write_text("def entry("),
    ]
    for damage in damages:
        damage()
        out = child(SQUARE)
        assert "cannot be loaded and is compiled again" in out and "generated" in out and "[0. 2. 4.]" in out
    source.unlink()
    assert "generated" in child(SQUARE)
    assert "generated" not in child(SQUARE)


def test_processes_may_come_at_the_same_time(child):
    started = [child.start(SQUARE) for _ in range(4)]
    ended = [(*process.communicate(), process.returncode) for process in started]
    assert all(not err and "[0. 2. 4.]" in out and code == 0 for out, err, code in ended), ended
    assert len(files(child.folder)) == 2


def test_a_folder_that_cannot_be_written_to_is_no_obstacle(child, tmp_path):
    (tmp_path / "file").write_text("")
    out = child(SQUARE, DUALGRAD_CACHE_DIR=str(tmp_path / "file" / "folder"))
    assert "generated" in out and "[0. 2. 4.]" in out


@pytest.mark.parametrize("keep_folder", [True, False])
def test_a_users_cached_function_with_a_kernel_inside_loads_again(child, tmp_path, keep_folder):
    (tmp_path / "users.py").write_text(
        textwrap.dedent("""
            from numba import njit
            from dualgrad import kernels
            g = kernels.derive(njit(lambda x: x * x), (kernels.Transform("grad"),))
            @njit(cache=True)
            def caller(x):
                return g(x) + 1.0
        """)
    )
    code = CHILD + textwrap.dedent(f"""
        sys.path.insert(0, {str(tmp_path)!r})
        use("def entry(x):\\n    return 2.0 * x\\n")
        import users
        print(users.caller(3.0), len(events.buffer))
    """)
    assert "7.0" in child(code)
    if not keep_folder:
        for file in files(child.folder):
            file.unlink()
    assert child(code) == "7.0 0\n"


USERS = """
import numpy as np
from numba import njit
import dualgrad as dg

@njit
def f(x):
    y = np.zeros(2)
    for i in range(2):
        y[i] = np.sqrt(x[i]) if i == 0 else x[1] * x[0]
    return y[1]

gradient = dg.grad(f)

@njit(cache=True)
def caller(x):
    return gradient(x)
"""


@pytest.mark.kernel
def test_machine_code_from_disk_finds_its_careful_form(tmp_path):
    """Also when it comes linked into a function that the user caches, and no kernel was called before."""
    (tmp_path / "users.py").write_text(USERS)

    def first(point, call="users.caller", then=""):
        text = f"import numpy as np, users\nprint({call}(np.array({point})))\n{then}"
        path = os.pathsep.join([str(tmp_path), str(Path(dg.__file__).parent.parent)])
        environment = os.environ | {"PYTHONPATH": path, "DUALGRAD_CACHE_DIR": str(tmp_path / "cache")}
        done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert first([4.0, 1.0]) == "[1. 4.]"
    hits = "print(sum(users.caller.stats.cache_hits.values()))"
    assert first([0.0, 1.0], then=hits) == "[1. 0.]\n1"
    assert first([0.0, 1.0], "users.gradient") == "[1. 0.]"
    assert len(list((tmp_path / "cache").glob("*careful*.nbc"))) == 1
