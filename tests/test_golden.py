"""Generated sources, byte for byte as they are kept in ``tests/golden``: a change of the text is a change one looks at.

``pytest tests/test_golden.py --golden`` writes them anew; the difference is then in version control to be read.
"""

import array_kernels
import kernel_forms
import kernels
import numpy as np
import pytest
from kernels import CASES
from numba import typeof
from test_kernel_laws import JET, PULL, PUSH

from dualgrad.api import chain
from dualgrad.kernels import Transform

GRAD, EFFECTS = Transform("grad", (0,)), Transform("effects")
COLUMNS, ROWS = Transform("jacobian", (0, "fwd")), Transform("jacobian", (0, "rev"))
EXAMPLES = {case.f: case.args for case in CASES}
KEPT = [
    ("value_of_a_stencil", kernels.stencil_in_place, [EFFECTS]),
    ("jvp_of_a_polynomial", kernels.polynomial, [PUSH]),
    ("jvp_of_a_while_loop", kernels.while_with_stores, [PUSH]),
    ("grad_of_rosenbrock", kernels.rosenbrock, [GRAD]),
    ("grad_of_a_sum_over_a_whole_expression", array_kernels.gauss_quadrature, [GRAD]),
    ("pullback_of_the_logistic_map", kernels.logistic_map, [PULL]),
    ("pullback_of_a_loop_that_is_left", kernels.break_out, [PULL]),
    ("pullback_of_exchanged_arrays", kernels.swapped_arrays, [PULL]),
    ("pullback_of_matrix_products", array_kernels.neural_net, [PULL]),
    ("hvp_of_rosenbrock", kernels.rosenbrock, [GRAD, PUSH]),
    ("hessian_of_a_norm", kernels.norm, [GRAD, COLUMNS]),
    ("directions_of_a_matrix_product", kernels.matmul, [COLUMNS]),
    ("jet_of_a_branch", kernels.branch, [JET]),
    ("jet_of_newtons_method", kernels.newton, [JET]),
    ("third_derivative_of_a_polynomial", kernels.polynomial, [Transform("derivative", (3,))]),
    ("careful_grad_of_conditional_expressions", kernels.conditional_expressions, [GRAD, chain.CAREFUL]),
    ("grad_with_rules", kernel_forms.rules_for_numbers, [GRAD]),
]


def arguments(steps, args):
    """Arguments of the whole chain: a transform that takes primals wants something beside each."""
    last = [s for s in steps if s.parameters][-1:]
    if not last:
        return args
    if last[0] is JET:
        return args, tuple(np.stack([np.asarray(a), np.asarray(a)]) for a in args)
    return args, (0.5 if steps[-1] is PULL else args)


def text(f, steps):
    args = EXAMPLES[f]
    given = arguments(steps, args)
    return chain.generate(f, tuple(steps), tuple(typeof(a) for a in given)).source


@pytest.mark.parametrize(("name", "f", "steps"), KEPT, ids=[name for name, *_ in KEPT])
def test_generated_sources_are_those_that_are_kept(name, f, steps, root, pytestconfig):
    path = root / "tests" / "golden" / f"{name}.txt"
    found = text(f, steps)
    if pytestconfig.getoption("--golden"):
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8"), "if this is meant: pytest tests/test_golden.py --golden"


def test_no_source_is_kept_that_nothing_makes(root):
    assert {p.stem for p in (root / "tests" / "golden").glob("*.txt")} == {name for name, *_ in KEPT}
