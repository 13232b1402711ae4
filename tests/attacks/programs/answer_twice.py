"""Answers one question twice in one breath: the second reply would stand for the next question."""

from kit import honest
from wirework import encode, request, send, sink


def solve(question):
    frame = encode({"id": request()["id"], "value": honest(question)})
    send(sink(), frame)
    return honest(question)
