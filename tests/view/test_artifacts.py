"""What judges keep, as it can be looked at."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from numpy.typing import ArrayLike

from evolve.records import Artifact
from evolve.view.artifacts import CELLS, LARGEST, LONGEST, kept, kind


def npy(values: ArrayLike) -> bytes:
    file = BytesIO()
    np.save(file, np.asarray(values))
    return file.getvalue()


def array(data: bytes) -> Artifact:
    return Artifact("a.npy", "application/octet-stream", data)


def test_arrays_show_what_they_are_and_how_they_begin() -> None:
    found = kept(array(npy(np.arange(400.0).reshape(20, 20))))
    assert str(found.text) == "float64 of shape 20x20, from 0 to 399, mean 199.5"
    assert len(found.cells) == len(found.cells[0]) == CELLS
    assert found.cells[1][:2] == ("20", "21")
    assert not found.plot
    line = kept(array(npy(np.linspace(0, 1, 50))))
    assert line.plot.startswith("<svg")
    assert kept(array(npy(3))).cells == (("3",),)
    for empty in ((0, 4), (3, 0)):
        assert f"float64 of shape {empty[0]}x{empty[1]}" in kept(array(npy(np.zeros(empty)))).text
    assert kept(array(npy(["<b>", "x"]))).cells == (("<b>", "x"),)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x93NUMPY", b"no array",
        npy(np.array([{"a": 1}], dtype=object)),
        npy(np.zeros(4)).replace(b"(4,)", b"(9999999999,)".ljust(4)),
        b"\x93NUMPY\x01\x00\x10\x00{'descr': '<f8'(\n",
    ],
)  # fmt: skip
def test_what_is_no_array_is_said_to_be_none(data: bytes) -> None:
    found = kept(array(data))
    assert "not an array that can be shown" in found.text
    assert found.cells == ()


def test_texts_pictures_and_others() -> None:
    assert [kind(name, mime) for name, mime in (("a", "image/svg+xml"), ("a", "text/html"), ("a.npy", ""), ("a", "x/y"))] == [
        "picture", "text", "array", "",
    ]  # fmt: skip
    assert kept(Artifact("a", "text/html", b"<script>")).text == "&lt;script&gt;"
    assert kept(Artifact("a", "image/png", b"x")).picture == "data:image/png;base64,eA=="
    for artifact in (
        Artifact("a", "text/plain", bytes(LONGEST + 1)),
        Artifact("a", "image/png", bytes(LARGEST + 1)),
        array(bytes(LARGEST + 1)),
        Artifact("a", "application/x-sh", b"id"),
    ):
        found = kept(artifact)
        assert (found.text, found.picture, found.cells) == ("", "", ())
        assert found.size == len(artifact.data)
