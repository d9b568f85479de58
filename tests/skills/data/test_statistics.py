from __future__ import annotations

import numpy as np
import pytest

from saycan.skills.data.statistics import QUANTILES, count_levels, describe, describe_levels


def test_pixels_are_described_as_numpy_describes_them() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(3, [100, 180, 250], (5, 7, 9, 3), np.uint8)
    found = describe_levels(count_levels(images), 5)
    flat = images.reshape(-1, 3) / 255
    assert found["count"].tolist() == [5]
    for name, expected in (("min", flat.min(0)), ("max", flat.max(0)), ("mean", flat.mean(0)), ("std", flat.std(0))):
        assert found[name].shape == (3, 1, 1)
        np.testing.assert_allclose(found[name].ravel(), expected, atol=1e-12)
    for name, share in QUANTILES.items():
        expected = np.quantile(flat, share, axis=0, method="inverted_cdf")
        np.testing.assert_allclose(found[name].ravel(), expected, atol=1e-12)


def test_counts_of_episodes_add_up() -> None:
    images = np.random.default_rng(1).integers(0, 256, (6, 4, 4, 3), np.uint8)
    np.testing.assert_array_equal(count_levels(images[:2]) + count_levels(images[2:]), count_levels(images))


def test_numbers_keep_their_kind_and_do_not_overflow() -> None:
    rows = np.array([[0, 2**62], [1, 2**62], [2, 2**62]])
    found = describe(rows)
    assert found["min"].tolist() == [0, 2**62] and found["min"].dtype == np.int64
    assert found["mean"].tolist() == [1.0, float(2**62)]
    assert found["std"][0] == pytest.approx(np.sqrt(2 / 3)) and found["q50"][0] == 1.0
    assert describe(np.array([[True], [False]]))["max"].tolist() == [True]
