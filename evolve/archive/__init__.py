"""The archive: one SQLite file that holds many runs, all they tried and all the judge saw.

archive.py     writes; `Archive` is all of the below
database.py    opens and migrates the file;  rows.py  turns rows into records and records into rows
recall.py      reads back what the loop needs;  questions.py  answers people
replies.py     keeps what models were asked and answered;  background.py  what prompts tell of the past
browsing.py    answers pages: listings, trees, islands;  progress.py  how a run went;  achievements.py  what arms achieved
frames.py      hands tables to pandas and Polars;  display.py  shows itself in a notebook
commands.py    carries what people ask to a run's driver
evidence.py    tells reports what speaks for and against a best program
reviews.py     keeps the champions of a run and what was judged for them;  finds evaluations that can be used again
lock.py        keeps a run to one process;  export.py  copies runs out;  values.py  says of programs what JSON can
"""

from evolve.archive.archive import Archive
from evolve.archive.progress import Moment
from evolve.archive.replies import request_hash
from evolve.archive.reviews import MIXED, Champion, Screening
from evolve.archive.rows import ArmHistory, RunInfo, Sitting

__all__ = ["MIXED", "Archive", "ArmHistory", "Champion", "Moment", "RunInfo", "Screening", "Sitting", "request_hash"]
