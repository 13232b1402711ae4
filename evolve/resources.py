"""Finds the data folders (tasks, templates, prompts, archive): inside the installed package, or beside it in a checkout."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """Return the folder of data called ``name``.

    Raises:
        FileNotFoundError: if the installation is incomplete.
    """
    for place in (PACKAGE / "_data" / name, PACKAGE.parent / name):
        if place.is_dir():
            return place
    raise FileNotFoundError(f"the data folder {name!r} is in neither {PACKAGE / '_data'} nor {PACKAGE.parent}")
