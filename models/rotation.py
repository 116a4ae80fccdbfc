"""Rotations: quaternions (w x y z) to matrices and back."""

import numpy as np
from numpy.typing import NDArray


def quaternion_to_matrix(quaternion: NDArray[np.floating]) -> NDArray[np.float64]:
    """Float64 [3, 3] rotation of the quaternion [4], which is normalised first."""
    w, x, y, z = np.asarray(quaternion, dtype=np.float64) / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def matrix_to_quaternion(matrix: NDArray[np.floating]) -> NDArray[np.float64]:
    """Float64 [4] unit quaternion with w >= 0 of the rotation [3, 3] (Bar-Itzhack's eigenvector method)."""
    m = np.asarray(matrix, dtype=np.float64)
    k = np.array(
        [
            [m[0, 0] + m[1, 1] + m[2, 2], m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]],
            [0, m[0, 0] - m[1, 1] - m[2, 2], m[0, 1] + m[1, 0], m[0, 2] + m[2, 0]],
            [0, 0, m[1, 1] - m[0, 0] - m[2, 2], m[1, 2] + m[2, 1]],
            [0, 0, 0, m[2, 2] - m[0, 0] - m[1, 1]],
        ]
    )
    quaternion = np.linalg.eigh(k, UPLO="U")[1][:, -1]
    return quaternion if quaternion[0] >= 0 else -quaternion


def rotation_vector_to_matrix(vector: NDArray[np.floating]) -> NDArray[np.float64]:
    """Float64 [3, 3]: the rotation about `vector` [3] by its length in radians (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = np.asarray(vector, dtype=np.float64) / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    matrix: NDArray[np.float64] = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)
    return matrix


def align_similarity(
    source: NDArray[np.floating], target: NDArray[np.floating], weights: NDArray[np.floating]
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Scale, rotation [3, 3] and shift [3] with target = scale * rotation @ source + shift (Umeyama 1991).

    Args:
        source: [N, 3] points.
        target: [N, 3] points.
        weights: [N], not all zero.
    """
    share = weights / weights.sum()
    source_mean, target_mean = share @ source, share @ target
    source_centered, target_centered = source - source_mean, target - target_mean
    covariance = (target_centered * share[:, None]).T @ source_centered
    u, singular, vt = np.linalg.svd(covariance)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ np.diag(sign) @ vt
    scale = float((singular * sign).sum() / (share @ (source_centered**2).sum(axis=1)))
    return scale, rotation, target_mean - scale * rotation @ source_mean
