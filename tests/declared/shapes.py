"""Functions that change the shape or move entries."""

import numpy as np

from declared import declare

declare(np.roll, lambda x: np.roll(x, 2), lambda x: np.roll(x, 1, axis=0), shape=(2, 3))
declare(np.trace, np.trace, lambda x: np.trace(x, 1), lambda x: x.trace(), shape=(3, 3))
