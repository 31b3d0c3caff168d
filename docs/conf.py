"""Sphinx builds this folder: ``sphinx-build -W docs docs/_build/html``."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

project = "dualgrad"
author = "dualgrad developers"
copyright = "2026, dualgrad developers"
release = version = version_of("dualgrad")

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.mathjax", "numpydoc"]
exclude_patterns = ["_build", "jupyter_execute"]
html_theme = "furo"
html_title = f"dualgrad {release}"

# Pages are executed when they are built; a page whose code fails is an error.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["mystnb.unknown_mime_type"]

autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
