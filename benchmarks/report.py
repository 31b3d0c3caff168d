"""Rows of measured figures beside their limits, and the two ways to print them."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import metadata
from pathlib import Path

PACKAGES = ("dualgrad", "numpy", "numba", "jax", "autograd")
HEADER = ("gate", "quantity", "measured", "limit", "met")


@dataclass(frozen=True)
class Row:
    """One figure of a gate: the largest value allowed is `limit`; a row without one is for information."""

    quantity: str
    measured: float
    unit: str = ""
    limit: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the limit holds (NaN never does); None without a limit."""
        return None if self.limit is None else self.measured <= self.limit

    def cells(self) -> tuple[str, str, str, str]:
        """The row as text."""
        limit = "" if self.limit is None else f"≤ {_figure(self.limit, self.unit)}"
        return self.quantity, _figure(self.measured, self.unit), limit, _verdict(self.met)


@dataclass(frozen=True)
class Missing:
    """A figure that was not measured, and why: a peer that is not installed, or (`met=False`) a gate that raised."""

    quantity: str
    reason: str
    met: bool | None = None

    def cells(self) -> tuple[str, str, str, str]:
        """The row as text."""
        return self.quantity, self.reason, "", _verdict(self.met)


def as_text(rows: Iterable[tuple[str, Row | Missing]]) -> str:
    """The table in columns for the terminal."""
    lines = [HEADER, *((gate, *row.cells()) for gate, row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADER))]
    return "\n".join(_padded(line, widths) for line in lines)


def as_markdown(rows: Iterable[tuple[str, Row | Missing]]) -> str:
    """The table for the documentation."""
    lines = [HEADER, ("---", "---", "---:", "---:", "---"), *((gate, *row.cells()) for gate, row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine() -> str:
    """Date, processor, cores and versions in one line."""
    versions = ", ".join(f"{name} {version}" for name in PACKAGES if (version := _version(name)))
    return f"{date.today()}, {_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}"


def _figure(value: float, unit: str) -> str:
    return f"{value:.3g} {unit}".rstrip() if abs(value) < 1000 else f"{value:,.0f} {unit}".rstrip()


def _verdict(met: bool | None) -> str:
    return {True: "yes", False: "NO", None: ""}[met]


def _padded(line: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    """The processor's name as the system tells it."""
    information = Path("/proc/cpuinfo")
    for line in information.read_text().splitlines() if information.exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
