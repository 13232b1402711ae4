"""The evaluator handed to OpenEvolve: a score from the program's text, in microseconds; nothing is run."""

import zlib
from pathlib import Path


def evaluate(program_path: str) -> dict[str, float]:
    """Return the score."""
    return {"combined_score": zlib.crc32(Path(program_path).read_bytes()) / 2**32}
