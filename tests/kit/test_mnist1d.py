from __future__ import annotations

import numpy as np
import pytest

from evolve.kit import mnist1d

PUBLISHED = {
    8: [0.437766, 0.096152, 0.420983, -2.434312, -0.34788],
    1: [-1.656934, -0.992343, 0.59861, 1.115039, -0.23266],
    0: [-0.309221, -0.554505, -0.600339, 2.048498, 0.917595],
    7: [2.079911, -0.140614, 2.24401, -0.406083, 0.679846],
    3: [1.7144, 1.486948, 0.50835, 0.833247, -0.006449],
    4: [0.117403, 0.314405, 0.564218, -0.541239, -0.786872],
    6: [-0.574624, 1.002237, -2.175524, -0.143961, 0.404321],
    9: [0.969161, -0.034565, -0.220552, -2.916887, -0.309212],
    5: [-1.791603, -0.248461, -0.14713, 1.080431, 0.24715],
    2: [-0.065767, -0.244234, 0.100446, -0.111201, 0.129655],
}
"""Every eighth point of what the authors' generator (mnist1d 0.0.2.post1) draws for 10 samples and its seed 42."""


def test_the_same_random_numbers_give_the_published_curves() -> None:
    random = np.random.RandomState(42)
    drawn: dict[str, list[object]] = {name: [] for name in ("padding", "scale", "shift", "smooth", "white", "shear")}
    for _ in range(10):  # in the order in which the authors' generator draws
        drawn["padding"].append(36 + int(random.rand() * 25))
        drawn["scale"].append(random.rand())
        drawn["shift"].append(random.choice(48))
        drawn["smooth"].append(random.randn(72))
        drawn["white"].append(random.randn(72))
        drawn["shear"].append(random.rand())
    curves = mnist1d.render(np.arange(10), {name: np.array(values) for name, values in drawn.items()})
    curves = (curves - curves.mean()) / curves.std()
    for digit, points in PUBLISHED.items():
        assert curves[digit, ::8] == pytest.approx(points, abs=2e-6)


def test_samples_are_balanced_standardised_and_those_of_their_seed() -> None:
    curves, classes = mnist1d.samples(2000, 5)
    assert curves.shape == (2000, 40)
    assert [str(curves.dtype), str(classes.dtype)] == ["float32", "int64"]
    assert np.bincount(classes).tolist() == [200] * 10
    assert abs(curves.mean()) < 0.03
    assert abs(curves.std() - 1) < 0.03
    again, other = mnist1d.samples(2000, 5)[0], mnist1d.samples(2000, 6)[0]
    assert np.array_equal(curves, again)
    assert not np.isin(other[:, 0], curves[:, 0]).any()


def test_a_number_of_samples_that_cannot_be_balanced_is_refused() -> None:
    with pytest.raises(ValueError, match="25 samples"):
        mnist1d.samples(25, 0)
