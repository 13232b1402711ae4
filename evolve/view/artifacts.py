"""What judges keep beside a score, as people can look at it: pictures, texts and arrays. Nothing of it is ever run."""

from __future__ import annotations

import math
import tokenize
from base64 import b64encode
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from markupsafe import Markup

from evolve.records import Artifact
from evolve.view import code
from evolve.view.drawing.plots import Series, chart

PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml")
TEXTS = ("application/json", "application/toml", "application/x-yaml")
LARGEST = 4 << 20
"""Bytes of a picture or an array that is shown."""
LONGEST = 64 << 10
"""Bytes of a text that is shown."""
CELLS = 12
"""Rows and columns of an array that are shown."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An artifact as it can be looked at: a ``picture`` as an address of data, ``text`` (of an array what is known of it), a
    ``plot`` of an array with one axis, the first ``cells`` of an array; or none of these.
    """

    name: str
    mime: str
    size: int
    picture: str = ""
    text: Markup = Markup("")  # noqa: RUF009 - a text, which never changes
    plot: Markup = Markup("")  # noqa: RUF009
    cells: tuple[tuple[str, ...], ...] = ()


def plain_type(mime: str) -> str:
    """Return a type without its parameters."""
    return mime.partition(";")[0].strip().lower()


def kind(name: str, mime: str) -> str:
    """Return how an artifact is shown: as a ``picture``, a ``text``, an ``array``, or not at all (an empty string)."""
    plain = plain_type(mime)
    if plain in PICTURES:
        return "picture"
    if plain.startswith("text/") or plain in TEXTS:
        return "text"
    return "array" if name.lower().endswith(".npy") else ""


def kept(artifact: Artifact) -> Kept:
    """Return an artifact as it can be looked at."""
    size, mime = len(artifact.data), plain_type(artifact.mime)
    plain, how = Kept(artifact.name, mime, size), kind(artifact.name, artifact.mime)
    if how == "picture" and size <= LARGEST:
        return Kept(artifact.name, mime, size, picture=f"data:{mime};base64,{b64encode(artifact.data).decode()}")
    if how == "text" and size <= LONGEST:
        return Kept(artifact.name, mime, size, text=code.visible(artifact.data.decode("utf-8", "replace")))
    if how == "array" and size <= LARGEST:
        return _array(plain, artifact.data)
    return plain


def _array(plain: Kept, data: bytes) -> Kept:
    """Return an array of a ``.npy`` file as it can be looked at; what is none is said to be."""
    import numpy as np
    from numpy.lib import format as npy

    file = BytesIO(data)
    try:
        version = npy.read_magic(file)
        shape, _, dtype = npy.read_array_header_1_0(file) if version == (1, 0) else npy.read_array_header_2_0(file)
        if dtype.hasobject or math.prod(shape) * dtype.itemsize > len(data):
            raise ValueError("it holds objects, or less than it says")
        array = np.load(BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError, tokenize.TokenError) as error:  # NumPy reads some headers as Python
        return Kept(plain.name, plain.mime, plain.size, text=code.visible(f"not an array that can be shown: {error}"))
    said = f"{dtype} of shape {'x'.join(map(str, shape)) or 'one value'}"
    if array.dtype.kind in "iufb" and array.size:
        said += f", from {array.min():.6g} to {array.max():.6g}, mean {array.mean():.6g}"
    flat = array.reshape(-1, array.shape[-1]) if array.ndim > 1 and array.size else array.reshape(1, -1)
    cells = tuple(tuple(_cell(value) for value in row[:CELLS]) for row in flat[:CELLS])
    plot = Markup("")
    if array.ndim == 1 and array.dtype.kind in "iufb" and array.size > CELLS:
        points = [(float(place), float(value)) for place, value in enumerate(array)]
        plot = chart([Series(plain.name, points)], title=plain.name, x="place", y="value", height=200)
    return Kept(plain.name, plain.mime, plain.size, text=code.visible(said), plot=plot, cells=cells)


def _cell(value: Any) -> str:
    """Return one value of an array in few characters."""
    return f"{value:.5g}" if value.dtype.kind == "f" else str(value)[:40]
