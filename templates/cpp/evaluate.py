"""The judge: has the program compiled and run in its jail, and compares what it prints with the C library's erf."""

from __future__ import annotations

import math
import re

from evolve import Candidate, Invalid, Result

COMPILE = ["c++", "-O2", "-std=c++17", "-o", "program", "initial.cpp"]
POINTS = [3 * i / 60 for i in range(61)]
HELD_OUT = [3 * (i + 0.37) / 200 for i in range(200)]


def evaluate(candidate: Candidate) -> Result:
    """Compile, run and compare. Compiler and program run in the jail, in a writable copy of the candidate's folder."""
    errors = judged(candidate, POINTS)
    worst = max(range(len(POINTS)), key=lambda i: abs(errors[i]))
    feedback = f"the largest error is at x = {POINTS[worst]:.2f}: {errors[worst]:+.6f}"
    return Result(1000 * abs(errors[worst]), {"mean": 1000 * sum(map(abs, errors)) / len(errors)}, feedback)


def validate(candidate: Candidate) -> float:
    """Compare on other points."""
    return 1000 * max(map(abs, judged(candidate, HELD_OUT)))


def judged(candidate: Candidate, points: list[float]) -> list[float]:
    """Return the error at each point."""
    text = candidate.sources["initial.cpp"]
    if set(re.findall(r"#\s*include\s*(\S+)", text)) - {"<cstdio>"} or re.search(r"\b__builtin_|\basm\b", text):
        raise Invalid("include nothing but <cstdio>, and use neither compiler built-ins nor assembly")
    compiled = candidate.run(COMPILE)
    if compiled.code != 0:
        raise Invalid(f"it does not compile:\n{compiled.stderr.decode(errors='replace')[:2000]}")
    done = candidate.run(["./program"], stdin="\n".join(map(repr, points)).encode(), timeout=5)
    if done.code != 0:
        raise Invalid(f"the program ended with exit code {done.code}")
    try:
        values = [float(line) for line in done.stdout.split()]
    except ValueError:
        raise Invalid(f"the program printed {done.stdout[:80]!r}, not numbers") from None
    if len(values) != len(points) or not all(map(math.isfinite, values)):
        raise Invalid(f"the program must print {len(points)} finite numbers, and printed {len(values)}")
    return [value - math.erf(x) for value, x in zip(values, points, strict=True)]
