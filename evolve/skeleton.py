"""What `evolve new` writes: a small task that works as it stands, each of its files a model of how to write one."""

from __future__ import annotations

from pathlib import Path

TASK = '''\
# Only `brief` is required; `evolve config` and the README explain the rest.
brief = """
Fit f(x) = sin(3x) + x / 2 on [-2, 2]. `predict(xs)` gets a list of floats and returns as many predictions.
"""

# packages = ["numpy"]    # what a candidate may import
# preload = ["numpy"]     # of these, what is imported once per slot: candidates then start in milliseconds

[score]
direction = "minimize"
unit = "mean squared error"
bounds = [0, inf]

[limits]
seconds = 10
memory = "512 MiB"

# [stages]
# repeats = 5             # judge each candidate on seeds 0 to 4, given to evaluate(candidate, seed), where chance plays a part

[[baselines]]
name = "the line x / 2"
score = 0.5167063571150543
source = "initial.py"
'''

INITIAL = '''\
"""The seed program: honest and weak. Only what stands between the marks may change."""

# EVOLVE-BLOCK-START
def predict(xs):
    """Return a prediction for each x."""
    return [0.5 * x + 0.0 for x in xs]
# EVOLVE-BLOCK-END
'''

EVALUATE = '''\
"""The judge: it runs outside the jail, holds the answers, and alone makes the score."""

from __future__ import annotations

import math

from evolve import Candidate, Invalid, Result

XS = [-2 + 4 * i / 80 for i in range(81)]
ANSWERS = [math.sin(3 * x) + x / 2 for x in XS]


def evaluate(candidate: Candidate) -> Result:
    """Call the candidate in its jail and score what comes back: plain data, to be checked like any input."""
    predictions = candidate.call("predict", XS)
    if not isinstance(predictions, list) or len(predictions) != len(XS):
        raise Invalid(f"predict must return a list of {len(XS)} numbers")
    if not all(isinstance(p, (int, float)) for p in predictions):
        raise Invalid("predict must return numbers")
    errors = [(p - y) ** 2 for p, y in zip(predictions, ANSWERS, strict=True)]
    worst = max(range(len(XS)), key=lambda i: errors[i])
    return Result(
        score=sum(errors) / len(errors),
        metrics={"worst": errors[worst]},
        feedback=f"the largest error is at x = {XS[worst]:.2f}: predicted {predictions[worst]:.3f}, not {ANSWERS[worst]:.3f}",
    )
'''

README = """\
# {name}

Say here what is evolved, how it is judged, what the seed and the baselines score, and what a clever candidate could
exploit.

    evolve check {name}      # judge the seed
    evolve run {name}        # search
"""


def write(folder: Path) -> list[Path]:
    """Write the skeleton into ``folder``, which may be new, and return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "task.toml": TASK,
        "initial.py": INITIAL,
        "evaluate.py": EVALUATE,
        "README.md": README.format(name=folder.name),
    }
    paths = []
    for name, text in files.items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths
