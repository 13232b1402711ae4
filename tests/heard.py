"""What a run says to people."""

from __future__ import annotations


class Heard:
    """An observer that listens, and remembers."""

    def __init__(self) -> None:
        self.notices: list[str] = []

    def __call__(self, attempt: object, /) -> None:
        """Take no note."""

    def notice(self, text: str) -> None:
        self.notices.append(text)
