"""In the judge: how long the shortest description of a graph is, about, whatever it hides its contents in.

A number can stand anywhere in a graph: as an argument, as the place where a tensor is split, as the choice of one of few tensors,
or of one of few operations. What is computed for a reason repeats itself and is compressed to little; learnt weights are not.
(Minimum description length: Rissanen, "Modeling by shortest data description", Automatica 14, 1978.)
"""

from __future__ import annotations

import lzma
from collections.abc import Sequence
from typing import Any

FILTERS = [{"id": lzma.FILTER_LZMA1, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 20}]
"""As thorough as can be, but looking back over a mebibyte alone, which holds all of an honest text: the preset's own 64 take 75
MB and 30 ms to set up, each time.
"""


def length(*graphs: Sequence[Any]) -> int:
    """Return the bytes to which the steps of graphs are compressed, all of them together.

    Real numbers are left out, since `evolve.kit.graph` counts them one by one. Operations are numbered as they come. Steps are
    told by how far back they are, in lists from each other, and whole numbers by how they differ from the one in the same place
    of the last such operation, as in a loop that was unrolled.
    """
    numbers: dict[str, int] = {}
    text = "\n".join(line for steps in graphs for line in _lines(steps, numbers))
    return len(lzma.compress(text.encode("utf-8"), format=lzma.FORMAT_RAW, filters=FILTERS))


def _lines(steps: Sequence[Any], numbers: dict[str, int]) -> list[str]:
    """Return a line for each step."""
    before: dict[tuple[Any, ...], int] = {}

    def say(value: Any, at: int, place: tuple[Any, ...]) -> str:
        if isinstance(value, list):
            parts, origin = [], at
            for number, item in enumerate(value):
                parts.append(say(item, origin, (*place, number)))
                origin = item["step"] if isinstance(item, dict) and "step" in item else origin
            return f"[{','.join(parts)}]"
        if isinstance(value, dict):
            ((kind, of),) = value.items()
            return f"{kind[0]}{at - of if kind == 'step' else of}"
        if type(value) is int:
            last, before[place] = before.get(place, 0), value
            return str(value - last)
        return "r" if type(value) is float else str(value)

    lines = []
    for at, (name, arguments, keywords) in enumerate(steps):
        operation = numbers.setdefault(name, len(numbers))
        given = [say(value, at, (name, place)) for place, value in enumerate(arguments)]
        named = [f"{key}={say(value, at, (name, key))}" for key, value in keywords.items()]
        lines.append(" ".join([str(operation), *given, *named]))
    return lines
