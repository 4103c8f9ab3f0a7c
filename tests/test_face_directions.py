"""Directions in W: found where they were planted; what they hold; those that ship."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from faces.directions import KEEPS, LENGTHS, directions, held_out, slope
from safetensors.numpy import load_file

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / "examples" / "models" / "faces"
WIDTH = 60


def planted() -> tuple[np.ndarray, np.ndarray]:
    """Return styles (300, 60), and orthonormal directions (6, 60), one for each label."""
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.standard_normal((WIDTH, len(KEEPS))))[0].T
    return rng.standard_normal((300, WIDTH)), axes


def test_a_planted_direction_is_found() -> None:
    styles, axes = planted()
    noisy = styles @ axes[0] + 0.3 * np.random.default_rng(1).standard_normal(len(styles))
    found = slope(styles, noisy)
    assert found @ axes[0] / np.linalg.norm(found) > 0.9
    assert held_out(styles, noisy) > 0.8


def test_labels_that_mean_nothing_are_not_foretold() -> None:
    styles, _ = planted()
    assert abs(held_out(styles, np.random.default_rng(2).standard_normal(len(styles)))) < 0.2


def test_a_direction_is_orthogonal_to_what_it_holds_and_of_its_length() -> None:
    styles, axes = planted()
    mixed = axes + 0.3 * axes[::-1]
    labels = {name: styles @ axis for name, axis in zip(KEEPS, mixed, strict=True)}
    found = directions(styles, labels)
    for name, held in KEEPS.items():
        assert np.linalg.norm(found[name]) == pytest.approx(LENGTHS.get(name, 2.0))
        for other in held:
            assert abs(found[name] @ slope(styles, labels[other])) < 1e-9
        assert found[name] @ slope(styles, labels[name]) > 0


def test_the_labels_and_the_shipped_directions_are_of_the_same_names() -> None:
    with (ROOT / "scripts" / "faces" / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["face"]) for row in rows] == list(range(400))
    assert set(rows[0]) == {"face", *KEEPS}
    assert {path.stem for path in SHIPPED.glob("*.safetensors")} == set(KEEPS)


@pytest.mark.parametrize("name", KEEPS)
def test_a_shipped_direction_is_one_vector_of_w(name: str) -> None:
    tensors = load_file(SHIPPED / f"{name}.safetensors")
    assert list(tensors) == ["w"]
    assert tensors["w"].shape == (512,)
    assert np.linalg.norm(tensors["w"]) == pytest.approx(LENGTHS.get(name, 2.0), rel=1e-5)
