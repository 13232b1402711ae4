"""Which installed packages a jail sees."""

from pathlib import Path
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Visible:
    sites: tuple[Path, ...]
    binds: tuple[tuple[Path, Path], ...]
    shown: tuple[Path, ...] = ()

    def farm(self) -> tuple[Path, ...]:
        return ()


def visible(packages: tuple[str, ...], data: tuple[str, ...]) -> Visible:
    return Visible((), ())
