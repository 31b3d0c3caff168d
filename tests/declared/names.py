"""Arrays made of numbers; names that are another's."""

import numpy as np

from declared import declare

FIRST = {"empty": "entries are taken by index"}
ANY_TYPE = {"single": "Python's numbers beside it make it double"}

declare(np.array, lambda x: np.array([x[0], 2.0, x[1] * x[2]]), lambda x: np.array([[x, x * x], [x, 1 / (x + 3)]]),
        lambda x: np.array(x), without=FIRST | ANY_TYPE)  # fmt: skip
for _function in (np.asarray, np.asanyarray, np.ascontiguousarray, np.asfortranarray, np.asarray_chkfinite):
    declare(_function, lambda x, f=_function: f(x) * 2.0, lambda x, f=_function: f([x[0], x[1] * x[0]]), without=FIRST)
declare(
    np.full,
    lambda x: np.full((2, 3), x[0]),
    lambda x: np.full(3, x * 2),
    lambda x: np.full((2, 3), 1.5) * x,
    without=FIRST | ANY_TYPE,
)
declare(
    np.fromiter,
    lambda x: np.fromiter((t * t for t in x), float),
    lambda x: np.fromiter((np.sin(t) for t in x), float, count=2),
    without={"empty": "fewer than counted", "single": "the dtype is named"},
)
declare(np.ndenumerate, lambda x: sum(v * (i + 2 * j) for (i, j), v in np.ndenumerate(x)), shape=(2, 3), without=FIRST)
declare(np.row_stack, lambda x: np.vstack([x, x * x]), shape=(2, 3))  # the old name of vstack
declare(np.amax, lambda x: np.amax(x, 0), shape=(2, 3))
declare(np.amin, lambda x: np.amin(x, axis=1), shape=(2, 3), without={"empty": "no least entry"})
NONE = ANY_TYPE | {"empty": "nothing to choose"}
declare(np.nanpercentile, lambda x: np.nanpercentile(x, 30), shape=(5,), without=NONE)
declare(np.histogram_bin_edges, lambda x: np.histogram_bin_edges(x, 4), shape=(5,), without=NONE)
for _function in (np.unique_all, np.unique_counts, np.unique_inverse):
    declare(_function, lambda x, f=_function: f(x).values * 2.0, shape=(2, 3))
declare(np.poly1d, lambda x: np.poly1d(x)(0.7), lambda x: (np.poly1d(x) * np.poly1d([1.0, 2.0])).coeffs,
        lambda x: np.poly1d(x).deriv().coeffs, lambda x: np.poly1d([1.0, 2.0, 0.5])(x),
        lambda x: np.polyval(np.poly1d([1.0, 2.0]), x), lambda x: np.poly1d(x).integ()(2.0),
        lambda x: np.polyadd(np.poly1d([1.0, 2.0]), x).coeffs,
        without={"empty": "coefficients are needed", "single": "NumPy evaluates it in double precision"})  # fmt: skip


def _filled(x):
    y = np.zeros_like(x)
    y.fill(x[0, 1])
    y.put([0, 4], x[1, :2] * 2)
    return y * x


declare(np.put, _filled, shape=(2, 3), without=FIRST)
declare(np.histogramdd, lambda x: np.histogramdd(x, 3)[1][0] * x[0, 0], shape=(5, 2), without=NONE)
