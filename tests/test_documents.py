"""Whatever a reader can copy runs: the code of README.md and docs/, the notebooks and the tour.

The Python blocks of a document run in order in one fresh interpreter, warnings being errors.  A line that prints
may say what it prints in a comment that starts with an arrow (``print(y)  # → 0.5``); these must appear in order.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PYTHON = re.compile(r"^```(?:python|\{code-cell\}.*)$")


def script(text):
    """The Python blocks of a Markdown text, every line where it stands in the document."""
    lines, inside = [], False
    for line in text.splitlines():
        fence = line.startswith("```")
        inside = bool(PYTHON.match(line)) if fence and not inside else inside and not fence
        option = inside and re.match(r"^(:\w+:|---)", line)
        lines.append("" if fence or not inside or option else line)
    return "\n".join(lines) + "\n"


def promises(code):
    """What the comments with an arrow say is printed."""
    return re.findall(r"#\s*→ (.*?)\s*$", code, flags=re.MULTILINE)


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def runnable(documents):
    return [d for d in documents if d.exists() and script(d.read_text(encoding="utf-8")).strip()]


def execute(arguments, folder, environment):
    run = [sys.executable, "-W", "error", *arguments]
    done = subprocess.run(run, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    return done.stdout


@pytest.mark.parametrize("path", runnable(DOCUMENTS), ids=name_of)
def test_the_code_of_a_document_runs_and_prints_what_it_says(path, tmp_path, child_environment):
    code = script(path.read_text(encoding="utf-8"))
    file = tmp_path / f"{path.stem}.py"
    file.write_text(code, encoding="utf-8")
    printed = iter(execute([str(file)], tmp_path, child_environment).splitlines())
    for promise in promises(code):
        assert any(line.strip() == promise for line in printed), f"nothing printed {promise!r} (or not in this order)"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_a_notebook_runs(path, child_environment, monkeypatch):
    import matplotlib.font_manager  # noqa: F401  (it makes its cache now, and not while a notebook runs)
    import nbformat
    from nbclient import NotebookClient

    for name in ("PYTHONPATH", "PYTHONWARNINGS"):
        monkeypatch.setenv(name, {**child_environment, "PYTHONWARNINGS": "default"}[name])
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}})
    client.execute()
    warnings = [o.text for c in notebook.cells for o in c.get("outputs", []) if o.get("name") == "stderr"]
    assert not warnings


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_a_notebook_is_stored_without_outputs(path):
    cells = [c for c in json.loads(path.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
    assert cells
    assert not any(c["outputs"] or c["execution_count"] for c in cells)


@pytest.mark.kernel
def test_the_tour_passes_all_its_checks(tmp_path, child_environment):
    printed = execute(["-m", "dualgrad"], tmp_path, child_environment)
    assert "PASS" in printed
    assert "FAIL" not in printed


def test_documents_name_no_place_but_the_project():
    for path in [*DOCUMENTS, *NOTEBOOKS, ROOT / "pyproject.toml", ROOT / ".ci" / "run", ROOT / "CHANGELOG.md"]:
        if path.exists():
            assert not re.search(r"(?<![\w.])/(work|root|home|tmp)/", path.read_text(encoding="utf-8")), path
