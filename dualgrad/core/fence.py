"""The fence: what cannot be differentiated in a kernel, why, and the way out.  Errors and the docs page come from here.

A row is ``construct | what happened | why | what to do``.  The first is for the page; of the others, ``{code}`` is the
user's expression and the rest what the place that refuses knows.  Rows of `REVERSE` hold in reverse mode only.
"""

from __future__ import annotations

from typing import NamedTuple, NoReturn

from .errors import KernelError

PROGRAMS = "a kernel becomes a program of let, store, for, while and if over numbers and arrays"


class Row(NamedTuple):
    """What is refused: in general, and the three parts of the error."""

    construct: str
    what: str
    why: str
    do: str


def _rows(text: str) -> dict[str, Row]:
    """Lines ``key: construct | what | why | do``; ``-`` says that of syntax or of a program what is always said."""
    found = {}
    for line in text.strip().splitlines():
        key, _, rest = line.strip().partition(": ")
        construct, what, why, do = rest.split(" | ")
        what = f"{construct} cannot be differentiated in a kernel" if what == "-" else what
        found[key] = Row(construct, what, PROGRAMS if why == "-" else why, do)
    return found


# Pieces of syntax, by the class of the node.
SYNTAX = _rows("""
    Yield: a generator | - | - | write the values into an array argument
    YieldFrom: a generator that asks another one | - | - | write the values into an array argument
    Try: try/except | - | - | test for the condition with if
    With: a with block (object mode included) | - | - | do that part in Python, outside of the kernel
    List: a list | - | - | use an array: np.zeros(n) and stores, or np.array([a, b])
    ListComp: a list comprehension | - | - | use an array: np.zeros(n) and a loop
    GeneratorExp: a generator expression | - | - | write the loop
    Dict: a dict | - | - | pass numbers and arrays as arguments
    DictComp: a dict comprehension | - | - | pass numbers and arrays as arguments
    Set: a set | - | - | use an array, or a tuple for `x in (a, b)`
    SetComp: a set comprehension | - | - | use an array
    JoinedStr: a formatted string | - | - | keep it outside of the kernel
    Lambda: a lambda | - | - | define the function beside the kernel and decorate it with @njit
    FunctionDef: a nested function | - | - | define the function beside the kernel and decorate it with @njit
    ClassDef: a class | - | - | pass its numbers and arrays as arguments of their own
    Starred: a star argument that is no tuple, or a star parameter | - | - | write the arguments out
    kwonly: a keyword-only argument | - | - | make it an ordinary argument
    Global: a global statement | - | - | return the value, or write it into an array argument
    Nonlocal: a nonlocal statement | - | - | return the value, or write it into an array argument
    Delete: a del statement | - | - | leave it out
    NamedExpr: an assignment expression (:=) | - | - | assign on a line of its own
    Match: a match statement | - | - | write if and elif
    Import: an import in a function | - | - | import at the top of the module
    ImportFrom: an import in a function | - | - | import at the top of the module
""")
OTHER_SYNTAX = Row(
    "other syntax", "the syntax {kind} cannot be differentiated in a kernel", PROGRAMS, "write it in other words"
)

# Everything else.
REFUSED = _rows("""
    source: a function whose text cannot be found | the source of {name} cannot be read | functions made by exec or typed at >>> have no text to derive from | put the function into a file or a notebook cell
    object mode: object mode | {name} is compiled in object mode | - | decorate it with @njit
    arity: too many or too few arguments | {name} takes {wanted} arguments, not {given} | each parameter needs a type | give one for each
    argument: arguments that are no numbers, arrays of numbers, or tuples of these | an argument of type {given} cannot be differentiated in a kernel | a kernel's arguments are numbers, arrays of numbers with at least one dimension, and tuples of these | pass its numbers and arrays as arguments of their own
    undefined: an unknown name | the name {code} is not defined | no argument, variable or global has it | define it
    unbound: a variable that some path has not bound | the variable {code} is read where it may not be bound yet | the lines above have to say what it is | give {code} a value before the loop or branch
    unsure: an array made on some paths only | the array {code} is made on some paths only | its memory must exist on all | make it before the loop or branch
    unclear: a name for arrays of several kinds | {code} may mean different things here | paths that meet (branches, turns of a loop) bind it to several arrays | use one array and store into it, or give each its own name
    array: a whole array as a number | {code} is an array where a number is needed | - | take an element or a sum
    global store: a store into a global array | the global array {array} is written | numba freezes global arrays | pass it as an argument
    no number: another object as a number | {code} ({kind}) is used as a number | - | use numbers and arrays
    no array: an index into what is no array | {code} is indexed, but is not an array | - | pass it as an array
    tuple index: a tuple of arrays, or of tuples, indexed at run time | a tuple is indexed by what is not known in advance | its parts are variables | use an array
    index: masks that select, and arrays of integers beside other indices | fancy indexing cannot be differentiated in a kernel | an index is an integer, a slice, ... or None, or alone an array of integers | write the loop over the indices, or np.where(mask, a, b) for a mask
    step: a slice whose step is computed | the step of a slice is not known in advance | whether it goes up or down decides where it ends | write a literal step, or the loop
    lengths: arrays of different literal lengths | {code} brings together arrays of {a} and {b} entries | shapes are broadcast as in NumPy | check the shapes
    store: a store into an expression | {code} is assigned, but is not in memory | it is a part of an expression | give the array a name first
    store rank: a store of more dimensions than its target has | an array of {a} dimensions is stored into a part of {b} | shapes are broadcast as in NumPy | store it row by row, or reshape it
    overlap: x[1:] += x[:-1] | {code} is updated in place by what overlaps it | numba and NumPy do different things here | write a = a + b, or use a copy
    rebound: a store into an array that may have another name | the array {array} is written in place, and the name may mean another array here | a loop or branch bound it anew, or it may be a view (reshape, ravel): what changes depends on the path | copy the array when it gets this name: {array} = {array}.copy()
    rank: an array of another rank than a function takes | {code} has to have {rank} dimensions here | - | reshape it
    no matrix: products of arrays of three dimensions or more | {code} is no product of vectors and matrices | one or two dimensions are known | write the loops
    dtype: a dtype that is no dtype of numbers | the dtype {code} is not known in a kernel | it has to be a NumPy dtype | write np.float64 or the like
    indices: more indices than axes | {code} has too many indices | the array's rank is {rank} | leave some out
    unpack: unpacking another number of parts | {code} is assigned what is no tuple or array of that length | - | assign one by one, with indices
    attribute: an attribute of an object | {code} is not known in a kernel | - | use indices, .shape, .size, .ndim, .T and .sum() of arrays, .real and .imag
    operator: an operator that numbers of this kind do not have | the operator {kind} cannot be differentiated in a kernel | - | write it in other words
    complex: an order of complex numbers | {name} of complex numbers is not read in kernels | they have no order | use .real, .imag or abs(z)
    choice: x or 1.0 of numbers | the value of {code} is not a truth value | it chooses between numbers | write a if c else b
    loop: a loop over another object | a loop over {code} cannot be differentiated | - | loop over range, an array, a tuple, enumerate, zip, np.ndindex or np.ndenumerate
    call: a function that the list above does not have | {function}(...) cannot be differentiated in a kernel | it is no word, no buffer, and no other kernel | write it as a loop, as an @njit function of its own, or give it a rule with dg.custom_jvp
    number: dg.Dual or dg.Jet inside of a kernel that is differentiated | {function}(...) makes a number inside of a kernel that is differentiated itself | numbers of nopython code do not nest: a value has one derivative | call the function as it is, or let dg.grad, dg.jvp or dg.derivative take the inner derivative
    nested number: a derivative called with a number of nopython code | a derivative of a kernel was called with a {given} | numbers of nopython code do not nest: a value has one derivative | call the function itself with the number, or nest the transforms: dg.hessian, dg.derivative(f, 2)
    call arguments: options of a function that are not known | these arguments of {function} are not read in kernels | {reason} | write it in other words
    raise: an exception that is not Python's own, or is made from variables | {code} is raised | an exception of a kernel is one of Python's, with literal arguments | write raise ValueError("what is wrong")
    guvectorize: a function made by @guvectorize | {function} was made by @guvectorize | it loops over axes that a kernel does not see | call an @njit function that gets whole arrays
    recursion: a function that calls itself | {function} calls itself | a program has no calls | write the recursion as a loop; dg.jvp and dg.derivative go through it as it is
    some paths: a result on some paths only | some paths of {name} return a value and some return nothing | the result must have one structure | return a value on every path
    mixed: results of different structure | {name} returns different things on different paths | each place of the result has to be a number on all paths, or an array of one rank | return the same kinds of things on every path
    result: a result that is no number and no array | {code}: a result has to be made of numbers and whole arrays | - | return numbers and arrays
    no function: a function that numba lacks, in a derivative | {name}: the derivative needs {word}, which numba does not have | it belongs to a function called in this line | differentiate it as a Python function, without numba
""")  # noqa: E501

# What only reverse mode cannot do; jvp, forward Jacobians and series can.
REVERSE = _rows("""
    names: a name that a decision gives to one array or another | the name {name!r} means one array or another, which reverse mode cannot follow | only a loop whose every turn exchanges the same names (a, b = b, a) can be run backwards | copy elements instead of giving an array another name, or use forward mode (jvp)
    kept array: an array that each turn of a loop makes and the reverse sweep needs | the array {name!r} made inside a loop is needed in reverse mode | only numbers are kept between the sweeps, not whole arrays | make the buffer before the loop, or use forward mode (jvp)
""")  # noqa: E501


def refusal(key: str, where: str | None = None, **fields: object) -> KernelError:
    """The error of a row."""
    row = {**SYNTAX, **REFUSED, **REVERSE}[key]
    return KernelError(row.what.format(**fields), row.why.format(**fields), row.do.format(**fields), where)


def refuse(key: str, where: str | None = None, **fields: object) -> NoReturn:
    raise refusal(key, where, **fields) from None
