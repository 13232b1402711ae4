"""What an operator of the framework can do wrong, each with a remedy in its text.

    EvolveError
    |-- TaskError        a task folder that cannot be used
    |-- ConfigError      an option, a key or a combination of them
    |-- ArchiveError     a database, run or program that is not there, is locked, or is damaged
    |-- IsolationError   the jail that was asked for cannot be had
    |-- JudgeError       evaluate.py itself failed, again and again
    `-- ModelError       no model of the run can be asked any more

What a *child* does wrong is a value (`Evaluation.status`, `Stop`), and what we do wrong is a traceback.
"""


class EvolveError(Exception):
    """Base of all errors that a user can mend; the command line prints the text alone and exits with ``exit_code``."""

    exit_code = 1


class TaskError(EvolveError):
    """A task folder that cannot be used: the text names the file, the line where known, and the remedy."""

    exit_code = 2


class ConfigError(EvolveError):
    """An unknown key, a value out of range, or options that contradict each other."""

    exit_code = 2


class ArchiveError(EvolveError):
    """A database, run or program that is not there, is in use by another process, or is damaged."""


class IsolationError(EvolveError):
    """The isolation level that was required cannot be had on this machine."""


class JudgeError(EvolveError):
    """``evaluate.py`` failed on its own account and kept failing when tried again."""


class ModelError(EvolveError):
    """No model of the run can be asked any more; the text says why of each."""


def sentence(error: BaseException) -> str:
    """Return an error in one line."""
    return (str(error).splitlines() or [""])[0] or type(error).__name__
