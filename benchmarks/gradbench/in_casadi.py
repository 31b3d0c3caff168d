"""The evals that CasADi's graphs express: bundle adjustment's blocks mapped, and the chain of equations."""

from __future__ import annotations

from typing import Any

import numpy as np

Call = tuple[Any, ...]


def ba(cameras: Any, points: Any, weights: Any, seen: Any, features: Any) -> dict[str, Call]:
    """The blocks of the Jacobian: one expression, mapped over the observations."""
    import casadi

    inputs = np.concatenate([cameras[seen[:, 0]], points[seen[:, 1]], weights[:, None]], axis=1).T
    v, feature = casadi.SX.sym("v", 15), casadi.SX.sym("feature", 2)
    p, square = v[11:14] - v[3:6], casadi.sumsqr(v[:3])
    angle = casadi.sqrt(square)
    w = v[:3] / angle
    along = casadi.dot(w, p) * (1 - casadi.cos(angle))
    turned = p * casadi.cos(angle) + casadi.cross(w, p) * casadi.sin(angle) + w * along
    view = turned[:2] / turned[2]
    r = casadi.sumsqr(view)
    residual = v[14] * (view * (1 + v[9] * r + v[10] * r * r) * v[6] + v[7:9] - feature)
    block = casadi.Function("block", [v, feature], [casadi.jacobian(residual, v)]).map(inputs.shape[1])

    def entries(inputs, weights):
        blocks = np.asarray(block(inputs, features.T)).reshape(2, -1, 15)
        return np.concatenate([blocks.transpose(1, 0, 2).ravel(), -2 * weights])

    return {"CasADi Jacobian": (entries, inputs, weights)}


def ode(x: Any, s: int) -> dict[str, Call]:
    """The gradient of the sum of the final state: a step is a function, and the steps are folded."""
    import casadi

    n, h = len(x), 2.0 / s
    c, y = casadi.SX.sym("c", n), casadi.SX.sym("y", n)

    def slopes(y):
        return casadi.vertcat(c[0], c[1:] * y[:-1])

    k1 = slopes(y)
    k2 = slopes(y + h / 2 * k1)
    k3 = slopes(y + h / 2 * k2)
    k4 = slopes(y + h * k3)
    step = casadi.Function("step", [y, c], [y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)])
    coefficients = casadi.MX.sym("x", n)
    final = step.mapaccum(s)(np.zeros(n), casadi.repmat(coefficients, 1, s))[:, -1]
    gradient = casadi.Function("gradient", [coefficients], [casadi.gradient(casadi.sum1(final), coefficients)])
    return {"CasADi gradient": (lambda x: np.asarray(gradient(x)).ravel(), x)}
