"""The morning report of a run, in one file.

page.py       the report itself, as HTML, Markdown or values
facts.py      all that is to be told, gathered from the archive
doubts.py     what is doubtful about it
standing.py   how good the best program is, in words and rows
reproduce.py  the commands that bring it about again
values.py     the same as JSON
"""

from evolve.view.report.page import Report

__all__ = ["Report"]
