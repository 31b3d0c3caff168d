"""NumPy's names without a derivative: those that never see one, and those that are refused, with what to write instead.

The error that a number meets at a refused function, and the catalogue, are both made from these rows.  A name is
written as one reads it: ``numpy.roots``, ``numpy.linalg.eig``, ``ndarray.tobytes``.  A name that has a meaning for
numbers (`table.FUNCTIONS` and its neighbours) is not here.
"""

from __future__ import annotations

from typing import NamedTuple


class Refusal(NamedTuple):
    """Why a function has no derivative here, and what to write instead."""

    why: str
    instead: str


def _names(prefix: str, names: str) -> list[str]:
    return [f"{prefix}.{name}" for name in names.split()]


_ROWS: list[tuple[str, str, str, str]] = [  # (prefix, names, why, instead)
    ("numpy", "bitwise_and bitwise_or bitwise_xor bitwise_invert bitwise_not invert bitwise_left_shift left_shift "
     "bitwise_right_shift right_shift bitwise_count gcd lcm",
     "it is a function of integers and booleans", "give it integers: x.astype(int)"),
    ("numpy", "packbits unpackbits", "it reads the bits of integers", "give it integers: x.astype(np.uint8)"),
    ("numpy", "isnat", "it is a function of dates", "use np.isnan(x)"),
    ("numpy", "save savetxt savez savez_compressed", "a file cannot hold a derivative",
     "return the array from the function (has_aux=True), or save dg.stop_gradient(x)"),
    ("numpy", "format_float_positional format_float_scientific", "text cannot hold a derivative",
     "print the number itself, or dg.stop_gradient(x)"),
    ("numpy", "busday_count busday_offset is_busday datetime_as_string", "it is a function of dates",
     "keep dates out of what is differentiated"),
    ("numpy", "kaiser", "NumPy works it out on plain arrays",
     "write np.i0(beta * np.sqrt(1 - t**2)) / np.i0(beta) for t = np.linspace(-1, 1, m)"),
    ("numpy", "nditer nested_iters broadcast", "its iterators read plain memory",
     "loop over np.ndindex(x.shape), or use np.broadcast_shapes and whole arrays"),
    ("numpy", "frompyfunc", "its results are arrays of Python objects", "use np.vectorize(f)"),
    ("numpy", "asmatrix bmat matrix", "matrices are a class of their own",
     "use arrays: np.block, and @ for products"),
    ("numpy", "require", "it asks how the memory of a plain array lies", "use np.asarray(x)"),
    ("numpy", "from_dlpack frombuffer fromfile fromstring", "it reads plain memory, files or text",
     "read the data outside of the function that is differentiated"),
    ("numpy", "sort_complex", "the order of complex numbers is one of values",
     "index with it: x[np.lexsort((x.imag, x.real))]"),
    ("ndarray", "tobytes tofile dump dumps data ctypes getfield setfield byteswap strides setflags base "
     "to_device", "it shows the memory of a plain array, which a number does not have",
     "use dg.stop_gradient(x) where only the value counts, x.astype(dtype) for another dtype"),
    ("ndarray", "item", "a Python number cannot hold a derivative", "index the number: x[i]"),
    ("ndarray", "resize", "it changes the size of memory in place", "use np.resize(x, shape)"),
]  # fmt: skip

REFUSED: dict[str, Refusal] = {
    name: Refusal(why, instead) for prefix, names, why, instead in _ROWS for name in _names(prefix, names)
}

_QUIET: list[tuple[str, str, str]] = [  # (what they are, prefix, names)
    ("dtypes", "numpy",
     "bool bool_ byte bytes_ cdouble character clongdouble complex128 complex256 complex64 complexfloating csingle "
     "datetime64 double dtype flexible float128 float16 float32 float64 floating generic half inexact int16 int32 "
     "int64 int8 int_ intc integer intp long longdouble longlong number object_ short signedinteger single str_ "
     "timedelta64 ubyte uint uint16 uint32 uint64 uint8 uintc uintp ulong ulonglong unsignedinteger ushort void"),
    ("classes to ask for, and records", "numpy", "ndarray ufunc flatiter recarray record"),
    ("facts about dtypes", "numpy",
     "finfo iinfo promote_types mintypecode typename isdtype issubdtype result_type can_cast min_scalar_type "
     "common_type datetime_data"),
    ("facts about a number that are facts about its value's shape and dtype", "numpy",
     "shape ndim size isscalar isfortran iterable isrealobj iscomplexobj broadcast_shapes shares_memory "
     "may_share_memory"),
    ("new arrays, into which numbers can be written", "numpy",
     "zeros ones empty eye identity zeros_like ones_like empty_like"),
    ("index arrays", "numpy",
     "indices diag_indices diag_indices_from tril_indices tril_indices_from triu_indices triu_indices_from "
     "mask_indices ndindex unravel_index tri"),
    ("windows of a given length", "numpy", "bartlett blackman hamming hanning"),
    ("plans", "numpy", "einsum_path"),
    ("frequencies", "numpy.fft", "fftfreq rfftfreq"),
    ("calls a function of the user with index arrays and gives back what it returns", "numpy", "fromfunction"),
    ("reads files and text", "numpy", "load loadtxt genfromtxt fromregex memmap"),
    ("prints", "numpy",
     "array2string array_repr array_str base_repr binary_repr printoptions set_printoptions get_printoptions"),
    ("settings", "numpy",
     "errstate seterr geterr seterrcall geterrcall setbufsize getbufsize show_config show_runtime get_include info "
     "test busdaycalendar __array_namespace_info__"),
    ("errors", "numpy.linalg", "LinAlgError"),
    ("shape and dtype of the value", "ndarray", "shape ndim size dtype itemsize nbytes device flags"),
]  # fmt: skip

PASSING: dict[str, str] = {name: what for what, prefix, names in _QUIET for name in _names(prefix, names)}
