"""Reductions and running sums and products; statistics."""

import numpy as np

from declared import declare

M, CUBE = (2, 3), (2, 3, 4)
MASK = np.array([[True, False, True], [True, True, False]])
OUT = np.zeros(3)
EMPTY = {"empty": "NumPy warns, and gives NaN"}
FIXED = {"empty": "a mask of given shape"}
ONES = np.ones((2, 3), np.float32)


def ways(f, *more, axes=True, **options):
    """Declare a reduction by its axes, then with more options."""
    standard = {"shape": M, "domain": "apart"}
    by_axis = [lambda x: f(x, (0, 1)), lambda x: f(x, axis=(0, -1), keepdims=True)] if axes else []
    calls = (f, lambda x: f(x, 0), lambda x: f(x, axis=-1, keepdims=True), *by_axis)
    declare(f, *calls, **standard | options)
    if more:
        declare(f, *more, **standard | {"without": FIXED} | options)


ways(np.sum, lambda x: np.sum(x, initial=2.0), lambda x: np.sum(x, 0, where=MASK), lambda x: x.sum(1),
     lambda x: np.sum(x, 1, None, None, True), lambda x: np.sum(x, 0, initial=x[0, 0], where=MASK[:1]),
     lambda x: np.sum(x, 0, x.dtype), lambda x: np.sum(a=x, axis=1))  # fmt: skip
ways(np.mean, lambda x: np.mean(x, 0, where=MASK), lambda x: x.mean((0, 1)), lambda x: x.mean(axis=-1, keepdims=True),
     lambda x: np.mean(x, 1, x.dtype, where=[True, False, True]), without=EMPTY)  # fmt: skip
ways(np.var, lambda x: np.var(x, 0, ddof=1), lambda x: x.var(ddof=1), lambda x: np.var(x, 1, correction=1),
     lambda x: np.var(x, 1, where=MASK), lambda x: np.var(x, 1, mean=np.mean(x, 1, keepdims=True)),
     lambda x: np.var(x, 0, mean=x[:1] * 1), without=EMPTY)  # fmt: skip
ways(np.std, lambda x: np.std(x, 0, ddof=1), lambda x: x.std(1), lambda x: np.std(x, 1, correction=0.5),
     lambda x: np.std(x, 0, where=MASK, keepdims=True)[0, 0] * x, without=EMPTY)  # fmt: skip
ways(np.prod, lambda x: np.prod(x, initial=2.0), lambda x: np.prod(x, 0, where=MASK), lambda x: x.prod(1),
     lambda x: np.prod(x, 0, initial=x[0, 0]), lambda x: np.prod(np.concatenate([x, x * 2])))  # fmt: skip
ways(np.max, lambda x: np.max(x, initial=0.1), lambda x: np.max(x, 1, initial=-9.0, where=MASK), lambda x: x.max(0),
     lambda x: np.max(x, 0, initial=x[0, 0] * x[1, 1]), lambda x: np.amax(x, 1))  # fmt: skip
ways(np.min, lambda x: np.min(x, initial=0.1), lambda x: np.min(x, 1, initial=9.0, where=MASK), lambda x: x.min(0),
     lambda x: np.amin(x, axis=0))  # fmt: skip
ways(np.ptp)
declare(np.cumsum, np.cumsum, lambda x: np.cumsum(x, 1), lambda x: x.cumsum(-2), lambda x: np.cumsum(x, 0, x.dtype),
        shape=M)  # fmt: skip
declare(np.cumprod, np.cumprod, lambda x: np.cumprod(x, 1), lambda x: x.cumprod(0), shape=M)
declare(np.cumprod, np.cumprod, shape=(9,), domain="nonzero")
declare(np.cumprod, np.cumprod, x=[1.5, 0.0, 2.0, 0.0, 3.0])
declare(np.prod, np.prod, x=[1.5, 0.0, 2.0, 0.0, 3.0])
declare(np.cumulative_sum, np.cumulative_sum, lambda x: np.cumulative_sum(x, include_initial=True))
declare(np.cumulative_sum, lambda x: np.cumulative_sum(x, axis=1, include_initial=True), shape=M)
declare(np.cumulative_prod, np.cumulative_prod, lambda x: np.cumulative_prod(x, include_initial=True))
declare(np.cumulative_prod, lambda x: np.cumulative_prod(x, axis=-1), shape=M)
declare(np.diff, np.diff, lambda x: np.diff(x, 2, axis=0), lambda x: np.diff(x, prepend=0.5, append=x[:, :2]),
        lambda x: np.diff(x, 1, 0, x[:1] * 2), lambda x: np.diff(x, n=0), shape=(3, 4))  # fmt: skip
declare(np.ediff1d, np.ediff1d, lambda x: np.ediff1d(x, to_end=[9.0, 8.0], to_begin=x[0]), shape=M,
        without={"empty": "x[0]"})  # fmt: skip
ways(np.average, lambda x: np.average(x, 1, [1.0, 2.0, 3.0]), lambda x: np.average(x, weights=x * x),
     lambda x: np.average(x, 0, x[:, 0] ** 2, keepdims=True),
        lambda x: np.average(x, 1, x**2, returned=True)[1] * x[0, 0],
     lambda x: np.average(x, returned=True)[0] + np.average(x, 0, returned=True)[1] * x, axes=False,
     without={"empty": "no weights", "single": "weights are float64"})  # fmt: skip

# Quantiles

ways(np.median, lambda x: np.median(x[:, :2] * x[0, 0], 1), without=EMPTY)
declare(np.median, np.median, lambda x: np.median(x, 1), lambda x: np.median(x, (0, 2)), shape=CUBE,
        domain="apart", without=EMPTY)  # fmt: skip
ways(lambda x, *args, **options: np.quantile(x, 0.3, *args, **options), without=EMPTY)
declare(np.quantile, lambda x: np.quantile(x, [0.1, 0.5, 1.0]), lambda x: np.quantile(x, [[0.2], [0.7]], axis=1),
        lambda x: np.quantile(x, [0.25, 0.9], (0, 2), keepdims=True), shape=CUBE, domain="apart",
        without=EMPTY | {"single": "q is float64"})  # fmt: skip
for _method in ("inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf", "hazen",
                "weibull", "linear", "median_unbiased", "normal_unbiased", "lower", "higher", "midpoint", "nearest"):
    declare(np.quantile, lambda x, m=_method: np.quantile(x, [0.15, 0.4, 0.85], axis=0, method=m), shape=(6,),
        domain="apart",
            without=EMPTY | {"single": "q is float64"})  # fmt: skip
declare(np.quantile, lambda x: np.quantile(x, [0.2, 0.5], method="inverted_cdf", weights=[0.1, 0.3, 0.2, 0.9]),
        lambda x: np.quantile(x, 0.5, 0, method="inverted_cdf", weights=x * x + 1)[()], shape=(4,), domain="apart",
        without=EMPTY | {"single": "q is float64"})  # fmt: skip
declare(np.percentile, lambda x: np.percentile(x, 30), lambda x: np.percentile(x, [5, 95], 1), shape=(3, 5),
        domain="apart",
        without=EMPTY | {"single": "q is float64"})  # fmt: skip

# Covariance

declare(np.cov, np.cov, lambda x: np.cov(x, rowvar=False, bias=True), lambda x: np.cov(x[0], x[1] ** 2, ddof=0),
        lambda x: np.cov(x, x[:1] * x[1:2]), lambda x: np.cov(x[0])[()], shape=(3, 4), without=EMPTY)  # fmt: skip
declare(np.cov, lambda x: np.cov(x, fweights=[1, 2, 1, 3]), lambda x: np.cov(x, aweights=[0.5, 2, 1, 3]),
        lambda x: np.cov(x, fweights=[1, 2, 1, 3], aweights=x[0] ** 2 + 1), lambda x: np.cov(x, aweights=[1, 2, 1, 3],
        ddof=0), shape=(3, 4), without={"empty": "weights", "single": "weights are float64"})  # fmt: skip
declare(np.corrcoef, np.corrcoef, lambda x: np.corrcoef(x, rowvar=False), lambda x: np.corrcoef(x[0], x[1] ** 2),
        shape=(3, 5), without=EMPTY)  # fmt: skip

# Passing over NaN: the calls make one


def holed(x):
    """The array with a NaN in it."""
    return np.where(MASK, x, np.nan)


for _f in (np.nansum, np.nanprod, np.nanmean, np.nanvar, np.nanmax, np.nanmin, np.nanmedian, np.nanstd):
    declare(_f, lambda x, f=_f: f(holed(x)), lambda x, f=_f: f(holed(x), axis=1, keepdims=True),
        lambda x, f=_f: f(x * 2),
            lambda x, f=_f: f(np.concatenate([holed(x), x]), 0), shape=M, domain="apart", without=FIXED)  # fmt: skip
declare(np.nanvar, lambda x: np.nanvar(holed(x), 1, ddof=1),
        lambda x: np.nanstd(np.concatenate([holed(x), x]), 0, ddof=1),
        shape=M, domain="apart", without=FIXED)  # fmt: skip
declare(np.nansum, lambda x: np.nansum(holed(x), 0, initial=2.0),
        lambda x: np.nanmean(holed(x), where=MASK[:1]), shape=M,
        without=FIXED)  # fmt: skip
declare(np.nancumsum, lambda x: np.nancumsum(holed(x)), lambda x: np.nancumsum(holed(x), 1), shape=M,
        domain="apart", without=FIXED)  # fmt: skip
declare(np.nancumprod, lambda x: np.nancumprod(holed(x)), lambda x: np.nancumprod(holed(x), 0), shape=M,
        domain="apart", without=FIXED)  # fmt: skip
declare(np.nanquantile, lambda x: np.nanquantile(holed(x), [0.2, 0.7], 1),
        lambda x: np.nanpercentile(np.concatenate([holed(x), x]), 40, axis=0), shape=M, domain="apart",
        without=FIXED | {"single": "q is float64"})  # fmt: skip
