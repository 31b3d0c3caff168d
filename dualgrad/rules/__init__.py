"""The table of words; importing this package fills `dualgrad.core.words.WORDS`."""

from . import arithmetic, arrays, elementary, implicit, products, special  # noqa: F401  (importing enters the rows)
