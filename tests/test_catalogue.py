"""The catalogue is complete and tells the truth: what it calls differentiable is declared, what it refuses raises."""

import io
import subprocess
import sys
from collections import Counter

import numpy as np
import oracles
import pytest
from declared import DECLARED

import dualgrad as dg
from dualgrad.catalogue import KINDS, entries, to_text
from dualgrad.lifting import REPLACED
from dualgrad.numbers.functions import outside, table

ENTRIES = {e.name: e for e in entries()}
AIM = 360


def of_kind(kind):
    return [name for name, e in ENTRIES.items() if e.kind == kind]


def resolved(name):
    """The function of a name like ``numpy.linalg.inv``."""
    found = np
    for part in name.split(".")[1:]:
        found = getattr(found, part)
    return found


def test_every_public_name_has_its_place():
    assert not of_kind(None), "enter these as a meaning, as discrete, or in outside.py"


def test_there_are_as_many_as_we_promise():
    counts = Counter(e.kind for e in ENTRIES.values())
    assert counts["differentiable"] >= AIM, counts


def test_no_name_has_two_places():
    meanings = table.FUNCTIONS.keys() | table.COMPOSED.keys() | table.DISCRETE | table.DISCRETE_UFUNCS
    named = {table.name_of(f) for f in meanings}
    assert not named & outside.REFUSED.keys()
    assert not outside.PASSING.keys() & outside.REFUSED.keys()


DIFFERENTIABLE = [n for n in of_kind("differentiable") if n.startswith("numpy.")]


def test_every_differentiable_function_is_declared():
    declared = {id(d.function) for d in DECLARED}
    words = {id(w.ufunc) for w in table.WORDS.values() if w.name in oracles.FUNCTIONS}
    missing = [n for n in DIFFERENTIABLE if id(resolved(n)) not in declared | words]
    assert not missing, "declare these in tests/declared"


def names_used(code):
    inner = (names_used(c) for c in code.co_consts if hasattr(c, "co_names"))
    return set(code.co_names).union(*inner)


def test_every_differentiable_method_is_called_in_a_declaration():
    used = set().union(*(names_used(d.call.__code__) for d in DECLARED if hasattr(d.call, "__code__")))
    methods = {n.removeprefix("ndarray.") for n in of_kind("differentiable") if n.startswith("ndarray.")}
    assert not methods - used, "call these in tests/declared"


def test_every_function_of_scipy_has_an_oracle():
    names = (n for kind in ("differentiable", "discrete") for n in of_kind(kind))
    special = {n.removeprefix("scipy.special.") for n in names if n.startswith("scipy")}
    declared = {getattr(d.function, "__name__", "") for d in DECLARED}
    same = {"psi": "digamma", "jn": "jv"}  # two names of one function
    assert not {same.get(n, n) for n in special} - declared - set(oracles.FUNCTIONS)


# What is refused


def number(x=(0.5, 1.5)):
    return dg.Dual(np.array(x), np.ones(len(x)))


def called(f, x, *first):
    """The function with as many arguments as it wants."""
    for count in range(1, 5):
        try:
            return f(*first, *[x] * count)
        except dg.DualgradError:
            raise
        except TypeError as error:
            if not any(w in str(error) for w in ("argument", "operand", "missing")):
                raise
    raise AssertionError("it takes no arguments that we know")


@pytest.mark.parametrize("name", [n for n in of_kind("refused") if n.startswith("numpy.")])
def test_a_refused_function_raises_what_the_catalogue_says(name):
    f = resolved(name)
    with pytest.raises(dg.UnsupportedError) as info:
        called(REPLACED.get(f, f), number(), *[io.BytesIO()] * name.startswith("numpy.save"))
    assert outside.REFUSED[name].why in str(info.value) and ENTRIES[name].note in str(info.value)


@pytest.mark.parametrize("name", [n for n in of_kind("refused") if n.startswith("ndarray.")])
def test_a_refused_method_raises_what_the_catalogue_says(name):
    attribute = name.removeprefix("ndarray.")
    with pytest.raises(dg.DualgradError) as info:
        getattr(number(), attribute)()
    assert ENTRIES[name].note in str(info.value)
    if not callable(getattr(np.ndarray, attribute)):
        assert not hasattr(number(), attribute)


def test_refused_functions_work_on_plain_arrays_inside_what_is_differentiated():
    def f(x):
        return x * np.kaiser(3, 2.0) + np.gcd(4, 6) * np.bitwise_and(3, 1) + np.require(np.zeros(3), float)

    assert np.array_equal(dg.jacfwd(f)(np.ones(3)), np.diag(np.kaiser(3, 2.0)))
    with pytest.raises(dg.UnsupportedError, match="np.i0"):
        dg.grad(lambda b: np.sum(np.kaiser(3, b)))(2.0)


# What passes


def test_what_passes_works_beside_numbers():
    x = number()
    assert np.shape(x) == (2,) and np.ndim(x) == 1 and np.size(x) == 2 and x.nbytes == 16 and x.itemsize == 8
    assert np.result_type(x, np.float32) == np.float64 and np.isrealobj(x) and not np.iscomplexobj(x)
    assert np.iterable(x) and not np.iterable(x[0])
    assert np.einsum_path("i,i", x, x)[0][0] == "einsum_path"
    found = dg.jacfwd(lambda x: np.fromfunction(lambda i: x[0] * i, (3,)))(np.ones(1))
    assert np.array_equal(found.ravel(), [0, 1, 2])


def test_a_number_is_a_scalar_where_its_value_is():
    def f(x):
        return x[0] * 3.0 if np.isscalar(x[0]) and not np.isscalar(x) else x[0]

    assert dg.grad(f)(np.ones(2))[0] == 3.0


def test_the_listing():
    text = to_text(list(ENTRIES.values()))
    assert text.startswith(f"NumPy {np.__version__}: ")
    assert all(kind.capitalize() in text for kind in KINDS)
    for name in of_kind("refused"):
        assert f"{name}: {ENTRIES[name].note}" in text


def test_the_command(child_environment):
    run = [sys.executable, "-m", "dualgrad.catalogue"]
    out = subprocess.run(run, env=child_environment, capture_output=True, text=True, check=True).stdout
    assert "numpy.einsum" in out and "numpy.linalg.inv" in out


# What others have


def test_whatever_autograd_differentiates_is_differentiable():
    """Names of HIPS autograd's wrapped NumPy and SciPy functions that have a vjp."""
    primitives = pytest.importorskip("autograd.core").primitive_vjps
    import autograd.numpy as anp

    lacking = []
    for space, home in ((anp, "numpy"), (anp.linalg, "numpy.linalg"), (anp.fft, "numpy.fft")):
        for name in dir(space):
            if getattr(space, name) in primitives if callable(getattr(space, name)) else False:
                entry = ENTRIES.get(f"{home}.{name}")
                if entry is not None and entry.kind not in ("differentiable", "discrete"):
                    lacking.append(f"{home}.{name}")
    special = pytest.importorskip("autograd.scipy.special")
    have = {*of_kind("differentiable"), *of_kind("discrete")}
    for name in dir(special):
        f = getattr(special, name)
        if callable(f) and f in primitives and f"scipy.special.{name}" not in have:
            lacking.append(f"scipy.special.{name}")
    assert not lacking


def test_a_function_has_one_meaning():
    for enter in (table.means(np.trace), table.means(np.cross, method="trace")):
        with pytest.raises(ValueError, match="has a meaning already"):
            enter(lambda a: a)
