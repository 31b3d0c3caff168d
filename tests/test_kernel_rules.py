"""Rules of the user's own inside kernels: compiled as they are read, cached, and refused where they cannot be.

That they have the right derivatives in every mode is tested with the kernels of `kernel_forms`.
"""

import subprocess
import sys

import kernel_forms
import numpy as np
import pytest
from kernels import CASES, arguments
from numba import njit
from test_kernel_laws import PULL, derived, leaves, random_like

import dualgrad as dg
from dualgrad.core.errors import KernelError, StructureError

pytestmark = pytest.mark.kernel
RULED = [pytest.param(c, id=c.name) for c in CASES if c.name.startswith("rules_")]


@pytest.mark.parametrize("case", RULED)
def test_the_compiled_pullback_is_its_text(case):
    args = arguments(case)
    cts = random_like(case.f(*arguments(case)), 1)
    found, wanted = dg.pullback(case.f)(args, cts), derived(case.f, [PULL], args, cts)(args, cts)
    for a, b in zip(leaves(found), leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_nopython_code_calls_the_function_itself():
    @njit
    def both(x):
        return kernel_forms.log1pexp(x) + dg.stop_gradient(x) + kernel_forms.gaussian(x)

    assert both(0.5) == pytest.approx(np.log1p(np.exp(0.5)) + 0.5 + np.exp(-0.25), rel=1e-15)
    assert dg.grad(both)(0.5) == pytest.approx(1 / (1 + np.exp(-0.5)) - np.exp(-0.25), rel=1e-14)


def test_a_kernel_with_a_rule_is_one_word_among_numbers():
    @njit
    def f(x):
        return kernel_forms.log1pexp(3.0 * x)

    for order in (1, 2, 3):
        wanted = dg.derivative(lambda x: np.log1p(np.exp(3.0 * x * x)), order)(0.4)
        assert dg.derivative(lambda x: f(x * x), order)(0.4) == pytest.approx(wanted, rel=1e-12)


@dg.custom_vjp
def clipped(x):
    return x * 1.0


def clipped_fwd(x):
    return clipped(x), 1.0


def clipped_bwd(residual, ct):
    return (min(max(ct, -residual), residual),)


clipped.defvjp(clipped_fwd, clipped_bwd)


@dg.custom_jvp
def unruled(x):
    return x * x


@dg.custom_jvp
def unfinished(x):
    return x * x


@unfinished.defjvp
def _(primals, tangents):
    return unfinished(primals[0])


@dg.custom_jvp(nondiff_argnums=(1,))
def fixed(x, k):
    return x * k


@fixed.defjvp
def _(k, primals, tangents):
    return fixed(primals[0], k), tangents[0] * k


@dg.custom_jvp
def opaque(x):
    return x.nonsense


opaque.defjvp(lambda primals, tangents: (primals[0], tangents[0]))


@njit
def uses_clipped(x):
    return 5.0 * clipped(x)


@njit
def uses_unruled(x):
    return unruled(x)


@njit
def uses_unfinished(x):
    return unfinished(x)


@njit
def uses_fixed(x):
    return fixed(x, 3.0)


@njit
def differentiates_by_fixed(x):
    return fixed(2.0, x)


def uses_opaque(x):
    return opaque(x)


@pytest.mark.parametrize(
    ("f", "error", "text"),
    [
        (uses_clipped, KernelError, "bwd of clipped is not linear in the cotangent"),
        (uses_unruled, dg.UnsupportedError, "unruled has no rule that a kernel can read"),
        (uses_unfinished, StructureError, r"must return a pair \(out, out_tangent\)"),
        (differentiates_by_fixed, dg.UnsupportedError, "an argument in nondiff_argnums carries a derivative"),
        (njit(uses_opaque), KernelError, "opaque cannot be called in a kernel with these arguments"),
    ],
)
def test_rules_that_a_kernel_cannot_use_are_refused(f, error, text):
    with pytest.raises(error, match=text):
        dg.grad(f)(0.5)


def test_arguments_that_are_not_differentiated():
    assert dg.grad(uses_fixed)(0.5) == 3.0


CACHED = """
import logging, sys
import numpy as np
from numba import njit
import dualgrad as dg
logging.basicConfig(level=logging.INFO, format="log: %(message)s", stream=sys.stdout)

@dg.custom_jvp
def square(x):
    return x * x

@square.defjvp
def rule(primals, tangents):
    return square(primals[0]), FACTOR * primals[0] * tangents[0]

@njit
def f(x):
    return square(x) * square(x)

print(dg.grad(f)(3.0))
"""


def test_a_rule_is_part_of_the_fingerprint(tmp_path, child_environment):
    """Machine code is found again, and not if the rule is another."""
    environment = {**child_environment, "DUALGRAD_CACHE_DIR": str(tmp_path / "cache")}
    outputs = []
    for factor in ("2.0", "2.0", "3.0"):
        (tmp_path / "script.py").write_text(CACHED.replace("FACTOR", factor))
        run = subprocess.run(
            [sys.executable, str(tmp_path / "script.py")], env=environment, capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr
        outputs.append(run.stdout)
    assert "compiled" in outputs[0] and outputs[0].endswith("108.0\n")
    assert "loaded" in outputs[1] and outputs[1].endswith("108.0\n")
    assert "compiled" in outputs[2] and outputs[2].endswith("162.0\n")
