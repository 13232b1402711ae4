"""Turns the candidate's `search`, which asks, into one that can be asked: it runs in a thread that stands still in `query`.

A judge calls into the jail, and nothing calls out. So `begin` and `tell` let the search run up to its next question and return
that, and the judge's next call brings the answer. Nothing here is trusted: the judge counts the questions and alone knows the
answers.
"""

import threading
from queue import SimpleQueue
from typing import Any


class Talk:
    """One search and the judge, who take turns."""

    def __init__(self, space: dict[str, Any], budget: int, seed: int) -> None:
        self.questions: SimpleQueue[tuple[Any, ...]] = SimpleQueue()
        self.answers: SimpleQueue[Any] = SimpleQueue()
        threading.Thread(target=self.run, args=(space, budget, seed), daemon=True).start()

    def run(self, space: dict[str, Any], budget: int, seed: int) -> None:
        """Run the search to its end."""
        try:
            import program

            self.questions.put(("result", program.search(self.query, space, budget, seed)))
        except BaseException as error:  # noqa: BLE001 - what a thread raises would reach nobody
            self.questions.put(("error", error))

    def query(self, links: list[int], operations: list[int]) -> Any:
        """What the search asks with."""
        self.questions.put(("query", links, operations))
        return self.answers.get()

    def proceed(self) -> tuple[Any, ...]:
        """Wait for the next question, or the end; what the search raised is raised here, where the jail reports it."""
        kind, *rest = self.questions.get()
        if kind == "error":
            raise rest[0]
        return (kind, *rest)


def begin(space: dict[str, Any], budget: int, seed: int) -> tuple[Any, ...]:
    """Start a search and return ("query", links, operations), or ("result", what it returned)."""
    global talk
    talk = Talk(space, budget, seed)
    return talk.proceed()


def tell(answer: Any) -> tuple[Any, ...]:
    """Answer the open question and return what comes next, as `begin` does."""
    talk.answers.put(answer)
    return talk.proceed()
