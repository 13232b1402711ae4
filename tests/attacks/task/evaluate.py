"""The judge of the arena's task: four questions, of which an honest program can know the answers to two."""

import json
import time
from pathlib import Path

ANSWERS = json.loads(Path(__file__).with_name("answers.json").read_text())


def evaluate(candidate):
    """Return the share of right answers; the clock is the judge's."""
    begin = time.monotonic()
    right = 0
    for question, answer in ANSWERS:
        given = candidate.call("solve", question)
        right += type(given) is int and given == answer
    return {"score": right / len(ANSWERS), "seconds": time.monotonic() - begin, "feedback": f"{right} right"}
