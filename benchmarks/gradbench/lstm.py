"""A stacked LSTM with diagonal weights that predicts the next character: the loss per bit, in scalar loops."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

Array = np.ndarray[Any, np.dtype[np.float64]]


@njit
def loss(main_params, extra_params, state, sequence):
    """Loss per bit of a stacked LSTM with diagonal weights that predicts the next character of a sequence.

    The model is D-LSTM of ADBench and GradBench, with their `+ 2` in the normaliser. For l layers and c characters
    of b bits: `main_params` (2l, 4b) holds a row of weights and a row of biases per layer, in each row the forget,
    in and out gates and the change; `extra_params` (3, b) the input weight, output weight and output bias; `state`
    (2l, b) hidden and cell per layer; `sequence` (c, b).
    """
    layers = state.shape[0] // 2
    bits = state.shape[1]
    steps = sequence.shape[0] - 1
    hidden = np.zeros((layers, bits))
    cell = np.zeros((layers, bits))
    signal = np.zeros(bits)
    for k in range(layers):
        for i in range(bits):
            hidden[k, i] = state[2 * k, i]
            cell[k, i] = state[2 * k + 1, i]
    total = 0.0
    for t in range(steps):
        for i in range(bits):
            signal[i] = sequence[t, i] * extra_params[0, i]
        for k in range(layers):
            w = 2 * k
            b = 2 * k + 1
            for i in range(bits):
                x = signal[i]
                h = hidden[k, i]
                forget = 1.0 / (1.0 + math.exp(-(x * main_params[w, i] + main_params[b, i])))
                ingate = 1.0 / (1.0 + math.exp(-(h * main_params[w, bits + i] + main_params[b, bits + i])))
                outgate = 1.0 / (1.0 + math.exp(-(x * main_params[w, 2 * bits + i] + main_params[b, 2 * bits + i])))
                change = math.tanh(h * main_params[w, 3 * bits + i] + main_params[b, 3 * bits + i])
                cell[k, i] = cell[k, i] * forget + ingate * change
                hidden[k, i] = outgate * math.tanh(cell[k, i])
                signal[i] = hidden[k, i]
        normaliser = 2.0
        for i in range(bits):
            signal[i] = signal[i] * extra_params[1, i] + extra_params[2, i]
            normaliser += math.exp(signal[i])
        log_normaliser = math.log(normaliser)
        for i in range(bits):
            total += sequence[t + 1, i] * (signal[i] - log_normaliser)
    return -total / (steps * bits)


def point(layers: int = 2, bits: int = 14, characters: int = 1024) -> tuple[Array, Array, Array, Array]:
    """`main_params, extra_params, state, sequence` with random weights and random bits."""
    random = np.random.default_rng(0)
    main_params = random.normal(size=(2 * layers, 4 * bits))
    extra_params = random.normal(size=(3, bits))
    state = random.normal(size=(2 * layers, bits))
    sequence = random.integers(0, 2, size=(characters, bits)).astype(np.float64)
    return main_params, extra_params, state, sequence


def tangents(arguments: tuple[Array, ...]) -> tuple[Array, Array, Array, Array]:
    """A random direction for the parameters; the state and the sequence stay where they are."""
    random = np.random.default_rng(1)
    main_params, extra_params, state, sequence = map(np.zeros_like, arguments)
    return random.normal(size=np.shape(main_params)), random.normal(size=np.shape(extra_params)), state, sequence
