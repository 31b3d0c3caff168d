"""A tour on one real regression: every kind of derivative, each beside an independent check.

The data are Rat43 of NIST's Statistical Reference Datasets (public domain): dry weight of
onion bulbs and tops against growing time, from D. A. Ratkowsky, Nonlinear Regression Modeling
(Marcel Dekker, 1983), pages 62 and 88.  NIST rates the problem "higher level of difficulty"
and certifies its parameters and their standard deviations to 11 digits.
"""

import numpy as np
from numba import njit

import dualgrad as dg

TIME = np.arange(1.0, 16.0)
WEIGHT = np.array([16.08, 33.83, 65.80, 97.20, 191.55, 326.20, 386.87, 520.53,
                   590.03, 651.92, 724.93, 699.56, 689.96, 637.56, 717.41])  # fmt: skip
START = np.array([700.0, 5.0, 0.75, 1.3])
CERTIFIED = np.array([6.9964151270e02, 5.2771253025e00, 7.5962938329e-01, 1.2792483859e00])
CERTIFIED_ERRORS = np.array([1.6302297817e01, 2.0828735829e00, 1.9566123451e-01, 6.8761936385e-01])


# ---- the user's code: nothing in it knows that it will be differentiated


def residual(b):
    """Model minus data, one entry per observation."""
    return b[0] / (1 + np.exp(b[1] - b[2] * TIME)) ** (1 / b[3]) - WEIGHT


def cost(b):
    """Half the sum of squares."""
    r = residual(b)
    return 0.5 * np.sum(r * r)


@njit
def kernel_residual(b, x, y):
    """The same residual as a compiled loop."""
    r = np.zeros(x.size)
    for i in range(x.size):
        r[i] = b[0] / (1.0 + np.exp(b[1] - b[2] * x[i])) ** (1.0 / b[3]) - y[i]
    return r


@njit
def kernel_cost(b, x, y):
    """The same cost, calling the other kernel."""
    r = kernel_residual(b, x, y)
    s = 0.0
    for i in range(r.size):
        s += r[i] * r[i]
    return 0.5 * s


# ---- what the derivatives are checked against: plain NumPy on the functions above


def complex_step(f, b):
    """The Jacobian by Im f(b + i h e) / h: exact to rounding, for functions that accept complex input."""
    h = 1e-30
    return np.stack([np.imag(f(b + 1j * h * e)) / h for e in np.eye(b.size)], axis=-1)


def differences(f, b):
    """The Jacobian by central differences."""
    steps = np.diag(1e-5 * np.abs(b))
    return np.stack([(f(b + s) - f(b - s)) / (2 * s.max()) for s in steps], axis=-1)


def cauchy(f, order, radius=2.0):
    """Taylor coefficients of f at 0 as the Fourier coefficients of f on a circle."""
    z = radius * np.exp(2j * np.pi * np.arange(64) / 64)
    return (np.fft.fft([f(t) for t in z]).real / 64)[: order + 1] / radius ** np.arange(order + 1)


class Report:
    """Prints values beside their checks and counts the failures."""

    passed = failed = 0

    def title(self, text):
        """A heading."""
        print(f"\n{text}\n{'-' * len(text)}")

    def judge(self, what, error, tolerance):
        """One line with a mark."""
        ok = bool(error <= tolerance)
        self.passed, self.failed = self.passed + ok, self.failed + (not ok)
        print(f"{'PASS' if ok else 'FAIL'}  {what}: relative error {error:.0e}, allowed {tolerance:.0e}")

    def check(self, what, value, oracle, reference, tolerance=1e-12):
        """A value and its reference side by side, four entries to a row; the error is relative by column."""
        value, reference = np.asarray(value), np.asarray(reference)
        print(f"\n{what:<46}| {oracle}")
        for i in range(0, min(value.size, 16), 4):
            left, right = ("".join(f"{v: 11.3e}" for v in a.ravel()[i : i + 4]) for a in (value, reference))
            print(f"{left:<46}|{right}")
        if value.size > 16:
            print(f"{'     ...':<46}|     ...")
        scale = np.abs(reference).max(axis=0) if reference.ndim == 2 else np.abs(reference)
        same_shape = value.shape == reference.shape
        self.judge(what, np.max(np.abs(value - reference) / scale) if same_shape else np.inf, tolerance)


def digits(b):
    """How many digits of the worst parameter agree with the certified ones (which have 11)."""
    return min(11.0, float(-np.log10(np.max(np.abs(b / CERTIFIED - 1)) + 1e-16)))


def fit(report):
    """Gauss-Newton and Newton from the same start, down to the certified digits."""
    report.title("2. Fitting: Gauss-Newton (Jacobian) and Newton (exact Hessian)")
    print("step    Gauss-Newton cost   digits          Newton cost   digits")
    jacobian, gradient, hessian = dg.jacobian(residual), dg.grad(cost), dg.hessian(cost)
    gauss, newton = START, START
    for step in range(15):
        print(f"{step:4}{cost(gauss):21.9f}{digits(gauss):9.1f}{cost(newton):21.9f}{digits(newton):9.1f}")
        gauss = gauss - np.linalg.lstsq(jacobian(gauss), residual(gauss))[0]
        if digits(newton) < 10.5:
            newton = newton - np.linalg.solve(hessian(newton), gradient(newton))
    variance = 2 * cost(newton) / (TIME.size - newton.size)
    j, h = jacobian(newton), hessian(newton)
    errors = np.sqrt(variance * np.diag(np.linalg.inv(j.T @ j)))
    observed = np.sqrt(variance * np.diag(np.linalg.inv(h)))
    print("\n       parameter    certified by NIST    standard error    certified by NIST    from the Hessian")
    for row in zip(newton, CERTIFIED, errors, CERTIFIED_ERRORS, observed, strict=True):
        print("{:16.10e}{:21.10e}{:18.10e}{:21.10e}{:20.4e}".format(*row))
    print()
    report.judge("parameters by Gauss-Newton", 10.0 ** -digits(gauss), 1e-10)
    report.judge("parameters by Newton", 10.0 ** -digits(newton), 1e-10)
    report.judge("standard errors from the Jacobian", np.max(np.abs(errors / CERTIFIED_ERRORS - 1)), 1e-9)
    numeric = differences(lambda b: complex_step(cost, b), newton)
    numeric = np.sqrt(variance * np.diag(np.linalg.inv(numeric)))
    report.judge("standard errors from the Hessian, by differences", np.max(np.abs(observed / numeric - 1)), 1e-6)


def main():
    """Run the tour; 0 if every check passed."""
    report = Report()
    print(f"dualgrad {dg.__version__}: the growth of onions, y = b1 / (1 + exp(b2 - b3 x))**(1 / b4)")
    print("Data, second start and certified values: NIST StRD, Rat43.  All derivatives at the start unless said.")

    report.title("1. First and second derivatives of plain NumPy code")
    jacobian = complex_step(residual, START)
    report.check("gradient of the cost", dg.grad(cost)(START), "complex step", complex_step(cost, START))
    report.check("Jacobian of the residual, forward", dg.jacfwd(residual)(START), "complex step", jacobian)
    report.check("Jacobian of the residual, reverse", dg.jacrev(residual)(START), "complex step", jacobian)
    hessian = dg.hessian(cost)(START)
    numeric = differences(lambda b: complex_step(cost, b), START)
    report.check("Hessian, forward over reverse", hessian, "differences of the complex step", numeric, 1e-6)
    other = dg.jacrev(dg.jacfwd(cost))(START)
    report.check("Hessian, forward over reverse", hessian, "reverse over forward", other, 1e-11)

    fit(report)

    report.title("3. Composition: a Hessian-vector product as jvp of vjp")
    newton_step = -np.linalg.solve(hessian, dg.grad(cost)(START))
    product = dg.jvp(lambda b: dg.vjp(cost, b)[1](1.0)[0], (START,), (newton_step,))[1]
    report.check("jvp of vjp along the Newton step", product, "Hessian @ step", hessian @ newton_step, 1e-10)
    report.check("jvp of vjp along the Newton step", product, "minus the gradient", -dg.grad(cost)(START), 1e-9)
    report.check("dg.hvp", dg.hvp(cost, (START,), (newton_step,)), "jvp of vjp", product)

    report.title("4. A Taylor series: the cost along the Newton step, orders 0 to 7")
    series = dg.taylor(cost, START, 7, newton_step).coeffs
    circle = cauchy(lambda t: cost(START + t * newton_step), 7)
    report.check("coefficients by dg.taylor", series, "Cauchy's integral on a circle", circle, 1e-10)

    report.title("5. The same regression as @njit kernels with loops")
    args = (START, TIME, WEIGHT)
    report.check("Jacobian of the kernel", dg.jacobian(kernel_residual)(*args), "complex step", jacobian)
    report.check("gradient of the kernel", dg.grad(kernel_cost)(*args), "eager NumPy", dg.grad(cost)(START))
    report.check("Hessian of the kernel", dg.hessian(kernel_cost)(*args), "eager NumPy", hessian, 1e-11)

    report.title("6. Look inside: the linear program of the residual, and its transpose")
    _, lin = dg.linearize(residual, START)
    print(lin, lin.T, sep="\n\n")
    weights = np.cos(TIME)
    left, right = weights @ lin(newton_step), lin.T(weights)[0] @ newton_step
    report.check("<w, J v>", left, "<J.T w, v>", right)

    report.title("7. Look inside: the generated kernel of the gradient")
    print(dg.source(dg.grad(kernel_cost), *args))

    print(f"\n{report.passed} checks passed, {report.failed} failed")
    return 1 if report.failed else 0
