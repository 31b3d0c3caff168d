"""Functions of `scipy.special`, in the calls that the table of rows does not make: orders as constants, integers."""

import numpy as np
from scipy import special

from declared import declare

for _f in (special.erf, special.erfc, special.erfcx, special.expit, special.log_expit, special.log_ndtr, special.j0,
           special.i0, special.exprel, np.sinc, np.i0):  # fmt: skip
    declare(_f)
for _f in (special.gamma, special.gammaln, special.loggamma, special.digamma, special.k0, special.y1, special.entr):
    declare(_f, domain="positive")
declare(special.erfinv, domain="within 1")
declare(special.ndtri, special.ndtri, lambda x: special.logit(x), domain="unit")
declare(special.jv, lambda x: special.jv(2, x), lambda x: special.jn(1, x), lambda x: special.jv(0.5, x),
        domain="positive")  # fmt: skip
declare(special.betainc, lambda x: special.betainc(2.0, 3.0, x), domain="unit")
declare(special.gammainc, lambda x: special.gammainc(2.5, x), lambda x: special.gammaincc(2.5, x), domain="positive")
declare(special.xlogy, lambda x: special.xlogy(x, x), lambda x: special.xlog1py(x, 0.5), domain="positive")
declare(special.beta, lambda x: special.beta(x, 1.5), lambda x: special.betaln(x, x), domain="positive")
declare(special.boxcox, lambda x: special.boxcox(x, 0.3), lambda x: special.boxcox(1.7, x), domain="positive")
declare(special.huber, lambda x: special.huber(0.9, x), lambda x: special.pseudo_huber(x, 1.3), domain="positive")
declare(special.expn, lambda x: special.expn(3, x), domain="positive")
declare(special.log1p, special.log1p, special.exp2, domain="positive")

# Functions that are no ufuncs, by SciPy's own names

declare(special.logsumexp, lambda x: special.logsumexp(x), lambda x: special.logsumexp(x, b=np.array([0.5, 2.0, 1.0])),
        x=[0.4, -1.3, 0.9], without={"empty": "of nothing it is not finite"})  # fmt: skip
declare(special.logsumexp, lambda x: special.logsumexp(x, axis=1, keepdims=True), shape=(2, 3),
        without={"empty": "of nothing it is not finite"})  # fmt: skip
for _function in (special.softmax, special.log_softmax):
    declare(_function, lambda x, f=_function: f(x, axis=-1), shape=(2, 3),
            without={"empty": "of nothing there is no largest"})  # fmt: skip
declare(special.multigammaln, lambda x: special.multigammaln(x + 3.0, 3), domain="positive")
declare(special.polygamma, lambda x: special.polygamma(2, x), domain="positive",
        without={"single": "SciPy computes it in double precision"})  # fmt: skip
declare(special.gammasgn, lambda x: special.gammasgn(x) * x, x=[-1.5, -0.4, 2.0])
if hasattr(special, "softplus"):
    declare(special.softplus, lambda x: special.softplus(x))
declare(special.sici, lambda x: special.sici(x)[0] * special.sici(x)[1], domain="positive")
declare(special.shichi, lambda x: special.shichi(x)[0] + 2 * special.shichi(x)[1], domain="positive")
