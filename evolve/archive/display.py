"""What an archive shows of itself in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evolve.archive.frames import Frames

if TYPE_CHECKING:
    from evolve.view.drawing.scores import Against
    from evolve.view.notebook import Plot


class Display(Frames):
    """The part of the archive that draws. What it draws with is imported when it is first asked to."""

    def plot(self, *runs: str, against: Against = "evaluations") -> Plot:
        """Return a chart of how a run went, the newest where none is named; of several, their best scores side by side.

        Args:
            runs: their names.
            against: ``evaluations``, ``dollars``, ``tokens`` or ``hours``.

        Raises:
            ArchiveError: if there is no such run.
        """
        from evolve.view.notebook import plotted

        return plotted(self, runs, against)

    def _repr_html_(self) -> str:
        from evolve.view.notebook import archive_html

        return archive_html(self.path, self.runs())
