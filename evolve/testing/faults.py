"""What can go wrong with a service, by name, so that a test can order it.

========================================== ============================================================= =======
fault                                      what the client sees                                          charged
========================================== ============================================================= =======
400 401 403 404 422                        this status: asking again cannot help                         no
429 429-after 429-date                     too many requests; with ``retry-after`` in seconds, as a date no
500 503 503-after                          the service is down; with ``retry-after`` in seconds          no
echo                                       401, and a text that repeats the Authorization header         no
hang                                       not a byte, until the server closes or its patience ends      yes
drip                                       one byte of white space every so often, without end           yes
close                                      the connection closed without an answer                       yes
drop                                       the connection closed in the middle of the reply              yes
truncated                                  JSON that stops in the middle, with the right length          yes
bytes                                      bytes in the text that are not UTF-8                          yes
empty null                                 a reply without text: ``""``, or none at all                  yes
refusal                                    no text, and the words of a refusal                           yes
reasoning                                  all tokens spent on thinking: no text, cut off                yes
huge                                       a reply of 1 MB, whatever was allowed                         yes
absurd negative                            a usage that cannot be: 1e12 tokens, fewer than none          yes
no_usage                                   a reply without a usage                                       yes
========================================== ============================================================= =======
"""

from __future__ import annotations

from typing import Literal, get_args

Fault = Literal[
    "400", "401", "403", "404", "422", "429", "429-after", "429-date", "500", "503", "503-after", "echo",
    "hang", "drip", "close", "drop", "truncated", "bytes",
    "empty", "null", "refusal", "reasoning", "huge", "absurd", "negative", "no_usage",
]  # fmt: skip
FAULTS: tuple[Fault, ...] = get_args(Fault)

REFUSAL = "I cannot help with that."
"""What a refusal says."""
THOUGHT = "Let me think about this step by step. " * 8
"""What a reply that is all reasoning says."""
HUGE = 1 << 20
"""The bytes of a huge reply's text."""


def status_of(fault: Fault) -> int | None:
    """Return the HTTP status of a fault that is one; those are not charged."""
    return 401 if fault == "echo" else int(fault[:3]) if fault[0].isdigit() else None
