"""``np.fft`` beyond the declared laws: high orders, real signals, structural zeros, what is refused."""

import numpy as np
import pytest

import dualgrad as dg


def test_a_series_through_a_long_transform_is_exact_to_order_10(rng):
    n = 1024
    coeffs = rng.normal(size=(11, n))
    out, series = dg.jet(np.fft.fft, (coeffs[0],), (coeffs[1:],))
    np.testing.assert_allclose(out, np.fft.fft(coeffs[0]), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(series, np.fft.fft(coeffs[1:]), rtol=1e-10, atol=1e-10)

    def filtered(x):  # nonlinear on both sides of it
        return np.fft.irfft(np.fft.rfft(np.exp(x)) * np.exp(-np.arange(n // 2 + 1) / n))

    direction = rng.normal(size=n)
    found = dg.taylor(filtered, 0.1 * direction, 10, direction).coeffs
    exponential = np.exp(0.1 * direction) * direction ** np.arange(11)[:, None]
    exponential /= np.cumprod([1.0, *range(1, 11)])[:, None]
    gain = np.exp(-np.arange(n // 2 + 1) / n)
    np.testing.assert_allclose(found, np.fft.irfft(np.fft.rfft(exponential) * gain), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("m", [1, 2, 3, 5])
def test_half_spectra_of_every_length_go_there_and_back(n, m, rng):
    x = rng.normal(size=n)
    close = np.testing.assert_allclose
    close(dg.jacobian(lambda x: np.fft.irfft(np.fft.rfft(x), n))(x), np.eye(n), atol=1e-14)
    z = rng.normal(size=m) + 1j * rng.normal(size=m)
    jacobian = dg.jacrev(lambda z: np.fft.irfft(z, n))(z)
    close(dg.jacfwd(lambda z: np.fft.irfft(z, n))(z), jacobian, atol=1e-14)
    units = [np.fft.irfft(u, n) + 1j * np.fft.irfft(1j * u, n) for u in np.eye(m, dtype=complex)]
    close(jacobian, np.transpose(units), atol=1e-14)


def test_the_gradient_of_a_power_spectrum_is_real():
    x = np.array([0.3, -1.0, 2.0, 0.5, 1.5])
    weights = np.arange(1.0, 4.0)
    found = dg.grad(lambda x: np.sum(weights * np.abs(np.fft.rfft(x)) ** 2))(x)
    matrix = np.fft.rfft(np.eye(5), axis=0)
    np.testing.assert_allclose(found, 2 * (matrix.conj().T @ (weights[:, None] * matrix)).real @ x)
    assert found.dtype == float


def test_a_holomorphic_jacobian_of_the_transform_is_its_matrix():
    z = np.array([1 + 1j, 2.0, -1j])
    np.testing.assert_allclose(dg.jacobian(np.fft.fft, holomorphic=True)(z), np.fft.fft(np.eye(3)), atol=1e-15)
    lin = dg.linearize(np.fft.fft, z)[1]
    np.testing.assert_allclose(lin.T.to_dense(), np.conj(np.fft.fft(np.eye(3))), atol=1e-15)
    assert "fft_back(" in str(lin.T)


def test_structural_zeros_pass_where_no_entry_mixes_with_them():
    x = np.array([[0.0, 4.0, 1.0], [1.0, 1.0, 1.0]])
    for mode in (dg.jacfwd, dg.jacrev):
        found = mode(lambda x: np.fft.rfft(np.sqrt(x))[1])(x)
        assert np.all(found[:, 0] == 0) and np.all(np.isfinite(found))
        assert np.all(np.isfinite(mode(lambda x: np.fft.ifft(np.sqrt(x[:, 1:])).real)(x)))


def test_frequencies_may_depend_on_the_spacing():
    np.testing.assert_allclose(dg.jacobian(lambda d: np.fft.fftfreq(4, d))(0.5), -4 * np.fft.fftfreq(4))
    np.testing.assert_allclose(dg.jacobian(lambda d: np.fft.rfftfreq(4, d))(0.5), -4 * np.fft.rfftfreq(4))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: dg.jvp(lambda x: np.fft.fft(x, norm="both"), (np.ones(3),), (np.ones(3),)), ValueError, "norm"),
        (lambda: dg.jvp(lambda x: np.fft.fft(x, 0), (np.ones(3),), (np.ones(3),)), ValueError, "data points"),
        (lambda: dg.jvp(lambda x: np.fft.fft(x, axis=1), (np.ones(3),), (np.ones(3),)), ValueError, "out of bounds"),
        (lambda: dg.vjp(lambda x: np.fft.irfft(x), np.ones(1)), ValueError, "data points"),
        (lambda: dg.vjp(lambda x: np.fft.rfft(x * 1j), np.ones(3)), TypeError, "rfft takes real numbers"),
        (lambda: dg.vjp(lambda x: np.fft.fftn(x, (2, 2), (0,)), np.ones((2, 2))), ValueError, "different lengths"),
    ],
)
def test_what_numpy_refuses_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()
