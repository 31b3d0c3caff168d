"""Arrays put together from arrays and numbers."""

import numpy as np

from declared import declare

M, CUBE = (2, 3), (2, 3, 4)
WIDE = {"single": "ones are float64"}

declare(np.concatenate, lambda x: np.concatenate([x, x * x]),
        lambda x: np.concatenate((x, x[:, :1], np.ones((2, 2))), axis=-1),
        lambda x: np.concatenate([x, x[0]], None), lambda x: np.concat([x], 1), lambda x: np.concatenate([x[:0], x], 0),
        lambda x: np.concatenate([x, x], out=np.zeros_like(x, shape=(4, 3))) ** 2, shape=M, without=WIDE)  # fmt: skip
declare(np.stack, lambda x: np.stack([x, x**2]), lambda x: np.stack((x, x * 2), axis=-1),
        lambda x: np.stack([x[0, 0], x[1, 1]]),
        lambda x: np.stack([x, np.ones((2, 3)), x], 1), lambda x: np.stack(list(x), axis=1), shape=M,
        without=WIDE | {"empty": "x[0, 0]"})  # fmt: skip
declare(np.hstack, lambda x: np.hstack([x, x[:, :1]]), lambda x: np.hstack((x[0], x[1, :2], 3.0)), shape=M,
        without=WIDE)  # fmt: skip
declare(np.vstack, lambda x: np.vstack([x, x[0] ** 2]), lambda x: np.vstack((x[0], x[1], np.ones(3))),
        shape=M, without=WIDE)  # fmt: skip
declare(np.column_stack, lambda x: np.column_stack([x.T, x[0]]), lambda x: np.column_stack((x[0], x[1])), shape=M)
declare(np.full_like, lambda x: np.full_like(x, x[0, 0]), lambda x: np.full_like(x, x[0], shape=(4, 3)) * x[1],
        lambda x: np.full_like(x, 2.0) * x, shape=M, without={"empty": "x[0, 0]"})  # fmt: skip
declare(np.zeros_like, lambda x: np.zeros_like(x) + x, lambda x: np.ones_like(x) * x, lambda x: np.zeros_like(x,
        shape=(2, 3)) + x)  # fmt: skip
declare(np.copy, np.copy, lambda x: x.copy() * x, lambda x: np.copy(x, order="F"), shape=M)
declare(np.astype, lambda x: np.astype(x, x.dtype) ** 2, lambda x: np.astype(x, np.float32).astype(x.dtype) * 0 + x)
declare(np.lib.stride_tricks.sliding_window_view,
        lambda x: np.lib.stride_tricks.sliding_window_view(x, 2) * x[:2, None],
        lambda x: np.sum(np.lib.stride_tricks.sliding_window_view(x, 3, axis=0), -1),
        without={"empty": "windows"})  # fmt: skip
declare(np.lib.stride_tricks.sliding_window_view, lambda x: np.lib.stride_tricks.sliding_window_view(x, (2, 2)),
        lambda x: np.max(np.lib.stride_tricks.sliding_window_view(x, (2, 2), axis=(0, 1)), (-1, -2)), shape=(3, 4),
        domain="apart", without={"empty": "windows"})  # fmt: skip
