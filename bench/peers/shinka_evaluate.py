"""The evaluator handed to ShinkaEvolve: a score from the program's text, in microseconds; nothing is run.

ShinkaEvolve starts an evaluator as a process of its own. This one imports nothing of ShinkaEvolve's and little else, so
that the process is as quick as it can be.
"""

import sys
import zlib

arguments = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
with open(arguments["--program_path"], "rb") as file:
    score = zlib.crc32(file.read()) / 2**32
with open(arguments["--results_dir"] + "/metrics.json", "w") as file:
    file.write(f'{{"combined_score": {score!r}, "public": {{}}, "private": {{}}}}')
with open(arguments["--results_dir"] + "/correct.json", "w") as file:
    file.write('{"correct": true, "error": null}')
