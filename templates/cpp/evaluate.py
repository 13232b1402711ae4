"""The judge: has the program compiled and run in its jail, and compares what it prints with the C library's erf."""

from __future__ import annotations

import math
import re

from evolve import Candidate, Invalid, Result

COMPILE = ["c++", "-O2", "-std=c++17", "-fno-builtin", "-nodefaultlibs", "-o", "program", "initial.cpp", "-lc"]
"""Without the library of mathematics, which has the answer, and without what the compiler knows of it."""
INCLUDE = re.compile(r"^\s*#\s*include\s*<cstdio>", re.MULTILINE)
REFUSED = re.compile(r"#|%:|\bextern\b|\basm\b|\bpopen\b|\b__\w+")
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
    found = REFUSED.search(INCLUDE.sub("", candidate.sources["initial.cpp"]))
    if found is not None:
        raise Invalid(
            f"it says {found.group()!r}: include nothing but <cstdio>, no other directive, nothing of the compiler's own, "
            "no declaration of what is elsewhere, no assembly, no other program"
        )
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
