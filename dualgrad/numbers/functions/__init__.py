"""NumPy's functions on numbers: each is a word, is said with words, or has no derivative.

`table` says how a function enters, `protocols` is where NumPy's calls arrive and look it up; each other
file is one subject.  Importing this package fills the table and gives the numbers ndarray's methods.
"""

from dualgrad.numbers.number import Number

from . import (  # noqa: F401  (each enters its functions)
    calculus,
    calling,
    choosing,
    complex,
    contractions,
    domains,
    fourier,
    linalg,
    methods,
    moving,
    norms,
    polynomials,
    products,
    protocols,
    reducing,
    shapes,
    spaces,
    statistics,
    ufuncs,
    values,
    writing,
)
from .calling import vectorized
from .making import array, stack
from .spaces import arange
from .table import METHODS

for _name, _method in METHODS.items():
    setattr(Number, _name, _method)

__all__ = ["arange", "array", "stack", "vectorized"]
