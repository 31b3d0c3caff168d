"""The numbers; importing this package gives them NumPy's protocols and ndarray's methods."""

from . import compiled, functions  # noqa: F401
