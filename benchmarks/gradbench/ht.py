"""Hand tracking: a skinned hand model posed by 26 parameters, fitted to points on its surface.

The pose turns bones, each relative to its parent; vertices follow the bones by weights.  ``theta`` holds the global
rotation, the global translation, and four angles of each finger; ``us``, where it has rows, says where on its triangle
each point lies.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit

Array = np.ndarray[Any, np.dtype[np.float64]]
PARENTS = [-1, *(parent for finger in range(5) for parent in (0, *range(1 + 4 * finger, 4 + 4 * finger))), 0]


class Hand(NamedTuple):
    """The model: for each bone its parent and frames, for each vertex where it is and which bones it follows."""

    parents: np.ndarray  # (bones,)
    relatives: Array  # (bones, 4, 4)
    inverse_absolutes: Array  # (bones, 4, 4)
    positions: Array  # (4, vertices), in homogeneous coordinates
    weights: Array  # (bones, vertices)
    triangles: np.ndarray  # (triangles, 3)


@njit
def axis_angle(r):
    """The rotation around an axis by the angle of its length."""
    angle = math.sqrt(r[0] * r[0] + r[1] * r[1] + r[2] * r[2])
    if angle < 1e-4:
        return np.eye(3)
    x, y, z = r / angle
    s, c = math.sin(angle), math.cos(angle)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    axis = np.array([x, y, z])
    return c * np.eye(3) + s * cross + (1.0 - c) * np.outer(axis, axis)


@njit
def euler(x, z, y):
    """The rotation by three angles, ``Rz Ry Rx``."""
    about_x = np.array([[1.0, 0.0, 0.0], [0.0, math.cos(x), -math.sin(x)], [0.0, math.sin(x), math.cos(x)]])
    about_y = np.array([[math.cos(y), 0.0, math.sin(y)], [0.0, 1.0, 0.0], [-math.sin(y), 0.0, math.cos(y)]])
    about_z = np.array([[math.cos(z), -math.sin(z), 0.0], [math.sin(z), math.cos(z), 0.0], [0.0, 0.0, 1.0]])
    return about_z @ about_y @ about_x


@njit
def bone_angles(theta, bones):
    """The angles of each bone: the first of a finger's last three bends two ways, the others one."""
    angles = np.zeros((bones, 3))
    k = 6
    bone = 2
    for _ in range(5):
        for joint in range(3):
            angles[bone, 0] = theta[k]
            k += 1
            if joint == 0:
                angles[bone, 1] = theta[k]
                k += 1
            bone += 1
        bone += 1
    return angles


@njit
def posed(theta, parents, relatives, inverse_absolutes, positions, weights):
    """Where the vertices are, (3, vertices)."""
    bones = parents.shape[0]
    angles = bone_angles(theta, bones)
    absolutes = np.zeros((bones, 4, 4))
    found = np.zeros((3, positions.shape[1]))
    for bone in range(bones):
        turn = np.eye(4)
        turn[:3, :3] = euler(angles[bone, 0], angles[bone, 1], angles[bone, 2])
        relative = relatives[bone] @ turn
        if parents[bone] == -1:
            absolutes[bone] = relative
        else:
            absolutes[bone] = absolutes[parents[bone]] @ relative
        moved = absolutes[bone] @ inverse_absolutes[bone] @ positions
        found += moved[:3] * weights[bone]
    return axis_angle(theta[:3]) @ found + theta[3:6].reshape(3, 1)


@njit
def residuals(theta, parents, relatives, inverse_absolutes, positions, weights, nearest, observed):
    """Distances of the observed points (n, 3) from the vertices nearest to them."""
    vertices = posed(theta, parents, relatives, inverse_absolutes, positions, weights)
    found = np.empty(3 * observed.shape[0])
    for i, vertex in enumerate(nearest):
        for j in range(3):
            found[3 * i + j] = observed[i, j] - vertices[j, vertex]
    return found


@njit
def surface_residuals(
    theta, us, parents, relatives, inverse_absolutes, positions, weights, triangles, nearest, observed
):
    """Distances of the observed points (n, 3) from points on triangles, which ``us`` (n, 2) places."""
    vertices = posed(theta, parents, relatives, inverse_absolutes, positions, weights)
    found = np.empty(3 * observed.shape[0])
    for i in range(observed.shape[0]):
        a, b, c = triangles[nearest[i]]
        u, v = us[i]
        for j in range(3):
            on_hand = u * vertices[j, a] + v * vertices[j, b] + (1.0 - u - v) * vertices[j, c]
            found[3 * i + j] = observed[i, j] - on_hand
    return found


def hand(vertices: int = 40, triangles: int = 30) -> Hand:
    """A hand of random frames, vertices and triangles, its skeleton that of the eval: wrist, five fingers, forearm."""
    random = np.random.default_rng(5)
    bones = len(PARENTS)
    relatives = np.tile(np.eye(4), (bones, 1, 1))
    relatives[:, :3, :3] += 0.1 * random.normal(size=(bones, 3, 3))
    relatives[:, :3, 3] = random.normal(size=(bones, 3))
    absolutes = relatives.copy()
    for bone, parent in enumerate(PARENTS):
        if parent >= 0:
            absolutes[bone] = absolutes[parent] @ relatives[bone]
    positions = np.concatenate([random.normal(size=(3, vertices)), np.ones((1, vertices))])
    weights = random.dirichlet(np.ones(bones), size=vertices).T.copy()
    corners = np.array([random.choice(vertices, 3, replace=False) for _ in range(triangles)])
    return Hand(np.array(PARENTS), relatives, np.linalg.inv(absolutes), positions, weights, corners)


def point(model: Hand, observations: int) -> tuple[Array, Array, np.ndarray, Array]:
    """A pose, places on triangles, indices (of a triangle, and so of a vertex), observed points."""
    random = np.random.default_rng(6)
    theta = 0.3 * random.normal(size=26)
    us = random.uniform(0.1, 0.4, size=(observations, 2))
    nearest = random.integers(0, min(len(model.triangles), model.positions.shape[1]), size=observations)
    return theta, us, nearest, random.normal(size=(observations, 3))
