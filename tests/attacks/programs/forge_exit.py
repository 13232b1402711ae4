"""Ends its process with exit code 0 in the middle of the first call: no failure, no answer, perhaps a success?"""

import os


def solve(question):
    print('{"score": 1.0}', flush=True)
    os._exit(0)
