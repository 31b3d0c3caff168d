"""One object serves Python, nopython code and numbers: numba's dispatcher, compiling from generated source.

Plain arguments take numba's own way (dispatch in C, no extra cost), nopython callers meet an ordinary dispatcher,
and a `Dual`, `Jet` or recording number, which numba cannot type, arrives in ``_compile_for_args`` and is handed over
to the interpreter.  This module imports numba; it is itself imported when the first kernel is made.
"""

from __future__ import annotations

import inspect
import logging
import pickle
from collections.abc import Callable
from time import perf_counter
from typing import Any
from weakref import WeakSet

import numba
import numpy as np
from numba import config, njit, types
from numba.core.compiler import CompileResult
from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import OmittedArg
from numba.core.errors import ForceLiteralArg
from numba.core.registry import CPUDispatcher, cpu_target
from numba.core.runtime import rtsys
from numba.core.serialize import dumps
from numba.core.sigutils import normalize_signature
from numba.core.typing.templates import Signature

from ..core.errors import ArgumentError, DualgradError, ProgramError
from . import careful, spelling
from .fingerprint import CannotFingerprint, fingerprint
from .modules import Place, cache_folder, import_file, place_for, write

ArgTypes = tuple[types.Type, ...]
Recipe = Any  # `dualgrad.kernels.Recipe`, some floors up
log = logging.getLogger("dualgrad")


def holds_number(value: Any) -> bool:
    """Whether a value is one of dualgrad's numbers, or a tuple or list that has one inside."""
    if isinstance(value, (tuple, list)):
        return any(map(holds_number, value))
    return getattr(type(value), "__dualgrad_number__", False)


class KernelDispatcher(CPUDispatcher):
    """A dispatcher whose machine code comes from the source that its recipe generates.

    If the recipe is plain, it is the machine code of the recipe's ``base``.
    """

    _types_active_call: set[types.Type]

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        _dispatchers.add(self)
        super().__init__(recipe.base.py_func if recipe.is_plain else python_twin(recipe), {}, {"nopython": True})
        self.__wrapped__, self.__signature__ = recipe.base, recipe.signature
        self._has_rest = any(p.kind is p.VAR_POSITIONAL for p in recipe.signature.parameters.values())
        self._fixed = recipe.is_plain and not recipe.base._can_compile  # njit was given the signatures
        for result in recipe.base.overloads.values() if self._fixed else ():
            self.add_overload(result)

    def __repr__(self) -> str:
        return f"<dualgrad {self.recipe.title}>"

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Recipe]]:
        return type(self.recipe).dispatcher, (self.recipe,)

    def __dualgrad_fingerprint__(self) -> tuple[Any, ...]:
        return self.recipe.base, self.recipe.chain

    def __dualgrad_program__(self, argtypes: list[Any]) -> Any:
        return self.recipe.program(argtypes)

    def _make_finalizer(self) -> Callable[[], None]:
        return lambda: None  # numba's would unregister code that other dispatchers share

    def compile(self, sig: Any) -> Any:
        """Make sure there is machine code for these argument types; Python and nopython callers both come here."""
        argtypes = tuple(map(types.unliteral, normalize_signature(sig)[0]))
        if self._fixed:
            return None  # nopython callers convert their arguments
        with global_compiler_lock, self._compiling_counter:
            if argtypes not in self.overloads:
                self.add_overload(obtain(self.recipe, argtypes))
            return self.overloads[argtypes].entry_point  # type: ignore[attr-defined]

    def _compile_for_args(self, *args: Any, **kwargs: Any) -> Any:
        """Where dispatch in C arrives with arguments it has no code for; it then calls what is returned."""
        if any(map(holds_number, args)):
            self._types_active_call.clear()
            return self._interpret
        if self._fixed:
            return self.recipe.base
        self._compilation_chain_init_hook()  # type: ignore[attr-defined]  # extensions may bring types
        for name, value in zip(self.__signature__.parameters, args):
            if self.typeof_pyval(value) is types.pyobject:
                raise ArgumentError(
                    f"{self.recipe.title} cannot take {name} = {value!r:.60}",
                    why=f"numba has no type for {type(value).__qualname__}",
                    hint="pass numbers, NumPy arrays, or tuples of these",
                )
        return super()._compile_for_args(*args, **kwargs)  # type: ignore[misc]

    def typeof_pyval(self, value: Any) -> types.Type:
        """As in numba; but numbers have no type, and would raise if they were asked."""
        return types.pyobject if holds_number(value) else super().typeof_pyval(value)

    def _interpret(self, *args: Any) -> Any:
        """Call with arguments as numba folds them: defaults wrapped, ``*rest`` as one tuple."""
        args = tuple(arg.value if isinstance(arg, OmittedArg) else arg for arg in args)
        return self.recipe.interpret((*args[:-1], *args[-1]) if self._has_rest else args)

    def inspect_source(self, *args: Any) -> str:
        """Generated source for numba types or example values; without arguments, of all that was compiled."""
        if self.recipe.is_plain:
            return inspect.getsource(self.py_func)
        given = tuple(arg if isinstance(arg, types.Type) else self.typeof_pyval(arg) for arg in args)
        asked = [tuple(self.fold_argument_types(given, {})[1])] if args else self.overloads
        return "\n\n".join(self.recipe.generate(argtypes).source for argtypes in asked)


def is_number_type(t: Any) -> bool:
    """Whether a numba type is that of a number of nopython code, or holds one."""
    if isinstance(t, types.BaseTuple):
        return any(map(is_number_type, t))  # type: ignore[call-overload]
    return hasattr(t, "lanes") or hasattr(getattr(t, "dtype", None), "lanes")


class NumbersApart:
    """A dispatcher of a function of floats that sends numbers of nopython code to ``of_numbers(types)``."""

    of_numbers: Callable[[Any], Any]

    def get_call_template(self, args: Any, kws: Any) -> Any:
        names, given = self._compiler.fold_argument_types(args, kws)  # type: ignore[attr-defined]
        if any(map(is_number_type, given)):
            template, _, *rest = self.of_numbers(given).get_call_template(given, {})
            return template, names, *rest
        return super().get_call_template(args, kws)  # type: ignore[misc]

    def get_overload(self, sig: Any) -> Any:
        args = normalize_signature(sig)[0]
        if any(map(is_number_type, args)):
            return self.of_numbers(args).get_overload(sig)
        return super().get_overload(sig)  # type: ignore[misc]


class RuledDispatcher(NumbersApart, KernelDispatcher):
    """The plain function behind an object with rules of its own, for nopython code; numbers go by the rules."""

    def __init__(self, owner: Any, recipe: Recipe):
        self.owner = owner
        super().__init__(recipe)

    def __reduce__(self) -> Any:
        return getattr, (self.owner, "dispatcher")

    def of_numbers(self, args: Any) -> Any:
        return self.owner.__dualgrad_numbers__(args)


def python_twin(recipe: Recipe) -> Callable[..., Any]:
    """The ``py_func`` of a derived kernel: the same function, interpreted."""

    def twin(*args: Any, **kwargs: Any) -> Any:
        bound = recipe.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return recipe.interpret(bound.args)

    twin.__signature__ = recipe.signature  # type: ignore[attr-defined]
    twin.__defaults__ = tuple(p.default for p in recipe.signature.parameters.values() if p.default is not p.empty)
    twin.__name__ = twin.__qualname__ = recipe.label
    twin.__module__ = recipe.base.__module__
    twin.__doc__ = f"{recipe.title}, compiled by dualgrad.\n\n{recipe.base.__doc__ or ''}".rstrip()
    return twin


_compiled: dict[Place, Any] = {}  # compile results, for the life of the process, as modules are
_origins: dict[str, tuple[Recipe, ArgTypes]] = {}  # what a generated module was made for
_dispatchers: WeakSet[KernelDispatcher] = WeakSet()


def obtain(recipe: Recipe, argtypes: ArgTypes) -> Any:
    """Numba's compile result from memory, from disk, or from new source, whichever is there first."""
    if recipe.is_plain:
        recipe.base.compile(argtypes)
        return recipe.base.overloads[argtypes]
    place = place_for(recipe.label, fingerprint_of(recipe, argtypes))
    if place not in _compiled:
        _origins[place.name] = recipe, argtypes
        _compiled[place] = load(place) or build(place.writable(), recipe, argtypes)
    return _compiled[place]


def careful_form(module: str) -> Any:
    """The compile result of the careful form of a generated module's function."""
    recipe, argtypes = _origins.get(module) or origin_of(module)
    plain, found = obtain(recipe, argtypes), obtain(recipe.careful(), argtypes)
    if found.signature.return_type != plain.signature.return_type:
        raise ProgramError(f"the careful form of {module} returns {found.signature.return_type}")
    log.info("%s has NaN and is computed again with masks for structural zeros", recipe.title)
    return found


careful.hooks["compiled"] = careful_form


def origin_of(module: str) -> tuple[Recipe, ArgTypes]:
    """The origin of machine code that came linked into a cached function of the user, not through `obtain`."""
    _, reduced = pickle.loads((cache_folder() / f"{module}.nbc").read_bytes())
    argtypes = next(part.args for part in reduced if isinstance(part, Signature))
    for dispatcher in list(_dispatchers):
        recipe = dispatcher.recipe
        if not recipe.is_plain and place_for(recipe.label, fingerprint_of(recipe, argtypes)).name == module:
            return recipe, argtypes
    raise ProgramError(f"{module} is machine code of a kernel that this process does not know")


def fingerprint_of(recipe: Recipe, argtypes: ArgTypes) -> str | None:
    """Fingerprint of function, transforms, argument types, compiler and processor; None if one of them has none."""
    target = cpu_target.target_context.codegen().magic_tuple()
    settings = numba.__version__, target, config.BOUNDSCHECK, spelling.wanted()  # type: ignore[attr-defined]
    try:
        return fingerprint(recipe.base, recipe.chain, argtypes, *settings)  # type: ignore[arg-type]
    except CannotFingerprint as reason:
        log.info("%s is compiled anew in each process: it depends on %s", recipe.title, reason)
        return None


def load(place: Place) -> Any | None:
    """Machine code from disk, with no type inference, or None.

    Numba's own loader first refreshes its registries, 0.2 s of imports that only compiling needs: finished code
    needs the memory system, and more only if it has other functions (``injected``) linked in.
    """
    if not (place.binary.exists() and place.source.exists()):
        return None
    start, target = perf_counter(), cpu_target.target_context
    try:
        import_file(place.source)
        linked, reduced = pickle.loads(place.binary.read_bytes())
        target.refresh() if linked else rtsys.initialize(target)
        result = CompileResult._rebuild(target, *reduced)
    except Exception as problem:  # a damaged file, whatever it raises, is only a lost file
        log.warning("%s cannot be loaded and is compiled again: %r", place.binary, problem)
        return None
    target.insert_user_function(result.entry_point, result.fndesc, [result.library])
    log.info("loaded %s in %.3f s", place.source, perf_counter() - start)
    return result


def build(place: Place, recipe: Recipe, argtypes: ArgTypes) -> Any:
    """Generate the source, import it, compile its entry, and keep the machine code beside it."""
    start = perf_counter()
    source, entry, injected = recipe.generate(argtypes)
    write(place.source, source)
    module = import_file(place.source, injected)
    owner = njit(**flags_of(recipe.base))(getattr(module, entry))
    setattr(module, entry, owner)  # it owns the machine code and must live
    try:
        owner.compile(argtypes)
    except (ForceLiteralArg, DualgradError):
        raise
    except Exception as problem:
        raise ProgramError(f"numba refuses the source of {recipe.title}: {place.source}", why=str(problem)) from problem
    result = owner.overloads[argtypes]
    if place.lasting and not result.library.has_dynamic_globals:
        try:
            linked = any(not isinstance(v, np.ndarray) for v in injected.values()) or "special.load(" in source
            write(place.binary, dumps((linked, result._reduce())))
        except Exception as problem:  # a full disk, or a constant that cannot be pickled
            log.warning("%s cannot be written: %r", place.binary, problem)
    log.info("compiled %s%s in %.2f s: %s", recipe.title, argtypes, perf_counter() - start, place.source)
    return result


def flags_of(base: Any) -> dict[str, Any]:
    """Numba options of the kernels derived from a dispatcher.

    A derivative divides where its function does not (``sqrt`` at 0), so division follows NumPy; a ZeroDivisionError
    of the original is the generator's to write out.  These fast-math flags keep NaN and infinities.
    """
    flags = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz"}}
    return {**flags, "boundscheck": base.targetoptions.get("boundscheck")}
