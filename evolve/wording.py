"""How prompts put things: numbers at full precision, and text from programs so that it stays what it is, data.

The filters of the templates in ``prompts/``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from evolve.records import Metric

GAP = "[...]"
LONGEST_LINE = 300


def exact(value: float) -> str:
    """Return a number with all its digits: two scores that differ never look the same."""
    return repr(float(value))


def difference(a: float, b: float) -> float:
    """Return ``a - b`` as a person would work it out from the digits shown, without the noise of binary fractions."""
    if math.isfinite(a) and math.isfinite(b):
        return float(Decimal(repr(float(a))) - Decimal(repr(float(b))))
    return a - b if a != b else 0.0


def gained(gain: float) -> str:
    """Return in words by how much a child was better than its parent."""
    return f"better by {gain:.6g}" if gain > 0 else f"worse by {-gain:.6g}" if gain < 0 else "no better"


def number(value: float) -> str:
    """Return a setting, such as a number of seconds, without digits that say nothing."""
    return f"{value:g}"


def size(value: int) -> str:
    """Return a number of bytes in the largest binary unit that leaves at least one."""
    for shift, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if value >= 1 << shift:
            return f"{value / (1 << shift):g} {unit}"
    return f"{value} bytes"


def bounds(metric: Metric) -> str:
    """Return within what bounds a metric lies, or nothing where it has none."""
    low, high = (None if bound is None or math.isinf(bound) else exact(bound) for bound in metric.bounds)
    if low is not None and high is not None:
        return f"between {low} and {high}"
    return f"at or above {low}" if low is not None else f"at or below {high}" if high is not None else ""


def fence(*texts: str) -> str:
    """Return a fence that no text among ``texts`` can close: longer than any run of backticks in them."""
    runs = [len(run) for text in texts for run in re.findall(r"`{3,}", text)]
    return "`" * (max(runs, default=2) + 1)


def fenced(text: str, language: str = "") -> str:
    """Return a program's text, character by character as it is, as a code block that it cannot break out of."""
    mark = fence(text)
    return f"{mark}{language}\n{text}{'' if text.endswith(chr(10)) else chr(10)}{mark}"


def quoted(text: str) -> str:
    """Return what a program said as a code block that it cannot break out of."""
    return fenced(plain(text.strip("\n")))


def plain(text: str) -> str:
    """Return text that a program wrote without what a server could read as the end of a turn, such as ``<|im_end|>``."""
    return re.sub(r"<(?=\|)|(?<=\|)>", "'", text).encode("utf-8", "replace").decode()


def oneline(text: str) -> str:
    """Return ``text`` in one line of bounded length."""
    line = " ".join(plain(text).split())
    return line if len(line) <= LONGEST_LINE else line[: LONGEST_LINE - len(GAP)] + GAP


def lastline(text: str) -> str:
    """Return the last line of ``text`` that says something: of a traceback, the exception."""
    return oneline(next((line for line in reversed(text.splitlines()) if line.strip()), ""))


def head(text: str, most: int) -> str:
    """Return the beginning of ``text``, whole lines where it has any, in at most about ``most`` characters."""
    if len(text) <= most:
        return text
    kept = text[:most]
    return f"{kept[: kept.rfind(chr(10)) + 1] or kept}{GAP}" if most > 0 else ""


def tail(text: str, most: int) -> str:
    """Return the end of ``text``, whole lines where it has any, in at most about ``most`` characters."""
    if len(text) <= most:
        return text
    kept = text[len(text) - most :]
    return f"{GAP}\n{kept[kept.find(chr(10)) + 1 :] or kept}" if most > 0 else ""


def middle(text: str, most: int) -> str:
    """Return ``text`` without its middle where it is longer than ``most`` characters."""
    return text if len(text) <= most else f"{text[: most // 2]}\n{GAP}\n{text[len(text) - most // 2 :]}"


FILTERS: Mapping[str, Callable[..., Any]] = {
    "exact": exact,
    "gained": gained,
    "number": number,
    "size": size,
    "bounds": bounds,
    "fenced": fenced,
    "quoted": quoted,
    "oneline": oneline,
    "lastline": lastline,
}
"""What templates may call, by name."""
