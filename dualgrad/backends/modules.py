"""A generated kernel lives in a real file that is imported as a module.

Machine code can be loaded again only if its module can be found by name, a traceback shows only lines of a file, and
a reader opens only files.  Two files stand side by side: ``dualgrad_grad_f_<fingerprint>.py``, the source, and
``.nbc`` of the same name, numba's machine code.  They are kept in the folder that ``DUALGRAD_CACHE_DIR`` names, by
default in the user's cache folder; files appear by renaming, so processes may share it.  What has no fingerprint, or
no folder to write to, goes to a private folder that is removed when the process ends.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from time import time
from types import ModuleType
from typing import Any, NamedTuple

IMPORTED = time()


class Generated(NamedTuple):
    """A generated kernel: its text, the function to call, and globals to put into its module before it runs."""

    source: str
    entry: str
    injected: Mapping[str, Any] = {}


class Place(NamedTuple):
    """Where the two files of a kernel are; another process may find them if they are ``lasting``."""

    folder: Path
    name: str
    lasting: bool = True

    @property
    def source(self) -> Path:
        return self.folder / f"{self.name}.py"

    @property
    def binary(self) -> Path:
        return self.folder / f"{self.name}.nbc"

    def writable(self) -> Place:
        """This place, its folder made if needed, or one in the scratch folder if it cannot be written to."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.folder).close()
        except OSError:
            return Place(Path(_scratch().name), self.name, lasting=False)
        return self


def place_for(label: str, fingerprint: str | None) -> Place:
    """The place of a kernel: named by its fingerprint, or a new one in the scratch folder if it has none."""
    name = f"dualgrad_{re.sub(r'[^0-9A-Za-z]', '_', label)[:80]}_{fingerprint or secrets.token_hex(10)}"
    return Place(cache_folder(), name) if fingerprint else Place(Path(_scratch().name), name, lasting=False)


def cache_folder() -> Path:
    """``DUALGRAD_CACHE_DIR``, or the folder in which the platform keeps a user's caches."""
    if wanted := os.environ.get("DUALGRAD_CACHE_DIR"):
        return Path(wanted).expanduser().absolute()
    usual = {"win32": "~/AppData/Local", "darwin": "~/Library/Caches"}.get(sys.platform, "~/.cache")
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser(usual)) / "dualgrad"


@cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder that only this user can read and that ends with the process."""
    return tempfile.TemporaryDirectory(prefix="dualgrad-", ignore_cleanup_errors=True)


def write(path: Path, data: str | bytes) -> None:
    """Write a whole file at once: a reader sees the old file, the new one, or none."""
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise


def import_file(path: Path, injected: Mapping[str, Any] | None = None) -> ModuleType:
    """Import a source file under its own name, with ``injected`` among its globals before it runs."""
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[path.stem] = module_from_spec(spec)
    vars(module).update(injected or {}, __dualgrad_generated__=True)
    spec.loader.exec_module(module)
    return module


class _Finder:
    """Finds generated modules by name, for a user's own cached function that has a kernel of ours linked in.

    Numba then asks for the module but takes nothing from it, so an empty one will do where the file is gone.
    """

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if not re.fullmatch(r"dualgrad_\w+_[0-9a-f]{20}", name):
            return None
        file = cache_folder() / f"{name}.py"
        return spec_from_file_location(name, file) if file.exists() else ModuleSpec(name, _Finder())  # type: ignore

    def create_module(self, spec: ModuleSpec) -> None: ...

    def exec_module(self, module: ModuleType) -> None: ...


sys.meta_path.append(_Finder)  # type: ignore[arg-type]
