"""The table of words; importing this package fills `dualgrad.core.words.WORDS`."""

from . import arithmetic, arrays, elementary, implicit, special  # noqa: F401  (importing enters the rows)
