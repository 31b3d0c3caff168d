"""Random NumPy programs obey the laws, at ordinary points and at hard ones; what was found once is kept below."""

import numpy as np
import numpy_fuzzer
import pytest
from numpy_fuzzer import Program, check, check_hard, failure, generate, shrunk

FEW, MANY, PIECE = 150, 20_000, 25


def pieces(config_long):
    count = MANY if config_long else FEW
    return [range(k, min(k + PIECE, count)) for k in range(0, count, PIECE)]


def pytest_generate_tests(metafunc):
    if "seeds" in metafunc.fixturenames:
        found = pieces(metafunc.config.getoption("--long"))
        metafunc.parametrize("seeds", found, ids=lambda r: f"{r.start}-{r.stop - 1}")


@pytest.mark.parametrize("hard", [False, True], ids=["ordinary", "hard"])
def test_random_programs_obey_the_laws(seeds, hard):
    for seed in seeds:
        found = failure(generate(seed, hard), hard)
        if found is not None:
            small = shrunk(generate(seed, hard), hard)
            pytest.fail(f"seed {seed}, x = {small.x!r}\n{small.text}{failure(small, hard)}")


def test_a_seed_gives_the_same_program_again():
    assert generate(7).text == generate(7).text != generate(8).text


def test_programs_are_of_many_kinds():
    """Half of all operations occur in the first few hundred programs."""
    texts = "\n".join(generate(seed).text for seed in range(200))
    operations = [t for group, _ in numpy_fuzzer.TABLE for t in group]
    heads = [max(t.partition("{a}")[0].split("\n")[-1].split("= ")[-1].split("{"), key=len) for t in operations]
    assert np.mean([h in texts for h in heads]) > 0.8
    assert all(word in texts for word in ("for ", "while ", "if ", "float32", "out=", "einsum", "np.where"))


def test_the_laws_can_fail(monkeypatch):
    """A derivative that is wrong by a thousandth is found, and the program shrinks to what matters."""
    import dualgrad as dg

    jvp = dg.jvp
    monkeypatch.setattr(dg, "jvp", lambda f, p, t: (jvp(f, p, t)[0], 1.001 * jvp(f, p, t)[1]))
    program = Program(0, np.array([0.5, 0.7]), ("v1 = x * x", "v2 = np.sin(v1)", "v3 = v1 + 1"), ("v2", "v3"))
    assert failure(program).startswith("differences")
    assert len(shrunk(program).statements) < 3


FOUND = [
    (np.float64(0.4), "v1 = np.cumsum(x, -1)"),
    (np.float64(0.4), "v1 = np.cumprod(x, 0)"),
    (np.float64(0.4), "v1 = np.prod(x, 0) * np.take(x, [0, -1], -1)"),
    (np.array([0.4, 0.7]), "v1 = x.flat[0] * x.flat[1:]"),
    (np.ones((1, 2, 3)), "v1 = np.full((2, 3), 0.7)\nv1[-1] = x[0, :1] ** 2"),
    (np.array([0.3]), "v1 = np.full(3, 1.2)\nv1[..., 0] = x * x"),
    (np.array([[0.3], [0.5]]), "v1 = x[[0, 1, 0]]\nw = v1.reshape(-1)[::2]\nw -= 1.3\nv1 *= v1"),
    (np.array([0.3, 0.5, 0.7]), "v1 = np.sin(x)[::2].copy()\nw = v1.reshape(-1)[::2]\nw -= 0.3"),
    (np.array([0.3, 0.5]), "v1 = np.empty_like(x.sum())\nnp.multiply(x[0], x[1], out=v1)\nv1 -= x[0]\nv1 *= v1"),
    (np.array([0.3, 0.5]), "v1 = x[0][()] * x[1]"),
    (np.arange(6.0).reshape(3, 2) / 7, "v1 = np.einsum('ab,cb->ac', x.ravel()[np.array([[0, 3]])], x)"),
    (np.float64(0.7), "v1 = np.logaddexp.reduce(x, -1) * x"),
    (np.ones((0, 2, 3)), "v1 = np.median(x, 2)"),
    (np.full(4, 0.3), "v1 = np.roots(x).real.sum()"),
    (np.arange(6.0).reshape(3, 2) / 7, "v1 = (x.T * 2).T.copy()\nw = v1.reshape(-1)[::2]\nw *= x[0, 1]"),
    (np.float64(0.3), "v1 = np.linspace(x.astype(np.float32), np.float32(0.7), 3)"),
    (np.float64(0.3), "v1 = np.logspace(x.astype(np.float32), np.float32(0.7), 3)"),
    (np.float64(0.3), "v1 = np.geomspace(x.astype(np.float32), np.float32(0.7), 3)"),
    (np.array([0.3]), "v1 = np.cov(np.zeros((0, 2)) * x, x)"),
]


@pytest.mark.parametrize(("x", "text"), FOUND)
def test_what_was_found_once(x, text):
    check(Program(0, x, (text,), ("v1",)))


FOUND_HARD = [
    (np.array([[2.0, 1.0], [0.0, np.inf]]), "v1 = np.cumprod(x, 1)\nv1 = v1 @ v1"),
    (np.array([0.0, 4.0]), "v1 = np.convolve(np.sqrt(x), [1.0, 2.0])"),
    (np.array([0.0, 4.0]), "v1 = np.einsum('i,j->ij', np.sqrt(x), x)"),
]


@pytest.mark.parametrize(("x", "text"), FOUND_HARD)
def test_what_was_found_once_at_hard_points(x, text):
    check_hard(Program(0, x, (text,), ("v1",)))
