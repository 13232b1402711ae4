"""Which installed packages a jail sees: those that a task names, with their dependencies, file by file from their metadata.

This package itself is never among them, because its wheel holds evaluators and references; nor is a distribution that carries a
task's hidden data.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePath

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from evolve.errors import TaskError
from evolve.jail.home import home

OURS = frozenset({"evolve", "evolve-programs"})


@dataclass(frozen=True, slots=True)
class Visible:
    """``sites``: folders for ``sys.path``; ``entries``: real path and (site, path below it) of each file or folder to show."""

    sites: tuple[Path, ...]
    entries: tuple[tuple[Path, Path, PurePath], ...]

    @property
    def shown(self) -> tuple[Path, ...]:
        """The real paths to show."""
        return tuple(source for source, _, _ in self.entries)

    @property
    def binds(self) -> tuple[tuple[Path, Path], ...]:
        """(source, place) in a file system of the jail's own: packages keep their paths, which their libraries may rely on."""
        return tuple((source, site / name) for source, site, name in self.entries)

    def farm(self) -> tuple[Path, ...]:
        """Return stand-ins for ``sites`` that hold links to the visible entries alone, made once per process."""
        return _farm(self, os.getpid())


@cache
def _farm(packages: Visible, pid: int) -> tuple[Path, ...]:
    places = {}
    for site in packages.sites:
        places[site] = Path(tempfile.mkdtemp(prefix="site-", dir=home()))
        places[site].chmod(0o755)
    for source, site, name in packages.entries:
        link = places[site] / name
        for folder in reversed([link.parent, *link.parent.parents]):
            if folder.is_relative_to(places[site]):
                folder.mkdir(mode=0o755, exist_ok=True)
        link.symlink_to(source)
    return tuple(places.values())


@cache
def visible(packages: tuple[str, ...], data: tuple[str, ...] = ()) -> Visible:
    """Return what a jail sees of the installed packages.

    Args:
        packages: names of distributions, as in a requirements file: extras and versions are respected.
        data: names of distributions that hold hidden data.

    Raises:
        TaskError: if a package is not installed, not in the version asked for, hidden, or installed without a list of its files.
    """
    hidden = OURS | {canonicalize_name(name) for name in data}
    found = _closure(packages, hidden)
    secret = {path for name in data for path in _paths(_installed(name))}
    sites: dict[Path, None] = {}
    entries: list[tuple[Path, Path, PurePath]] = []
    owned: dict[Path, set[PurePath]] = {}
    for distribution in found.values():
        site = Path(str(distribution.locate_file(""))).resolve()
        sites[site] = None
        owned.setdefault(site, set()).update(_own_files(distribution))
    for site, files in owned.items():
        entries += [((site / name).resolve(), site, name) for name in _entries(site, PurePath(), files, secret)]
    order = {Path(path).resolve(): number for number, path in reversed(list(enumerate(sys.path)))}
    return Visible(tuple(sorted(sites, key=lambda site: order.get(site, len(order)))), tuple(entries))


def _closure(packages: Iterable[str], hidden: frozenset[str]) -> dict[str, importlib.metadata.Distribution]:
    """Return the distributions that ``packages`` need, by normalised name."""
    found: dict[str, importlib.metadata.Distribution] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    queue = [(_requirement(text), "the task") for text in packages]
    while queue:
        wanted, by = queue.pop()
        name = canonicalize_name(wanted.name)
        if name in hidden:
            raise TaskError(
                f"the package {wanted.name!r}, which {by} asks for, is hidden from candidates; remove it from `packages`"
            )
        if (name, frozenset(wanted.extras)) in seen:
            continue
        seen.add((name, frozenset(wanted.extras)))
        try:
            distribution = importlib.metadata.distribution(wanted.name)
        except importlib.metadata.PackageNotFoundError:
            if by == "the task":
                raise TaskError(f"the package {wanted.name!r} is not installed: pip install '{wanted}'") from None
            continue  # left out of an installation on purpose: importing it fails in a jail as it does outside
        if by == "the task" and not wanted.specifier.contains(distribution.version, prereleases=True):
            raise TaskError(f"{wanted.name} {distribution.version} is installed: pip install '{wanted}'")
        found[name] = distribution
        queue += [(need, wanted.name) for need in _needs(distribution, wanted.extras)]
    return found


def _requirement(text: str) -> Requirement:
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise TaskError(f"{text!r} in `packages` is no distribution's name: {error}") from error


def _needs(distribution: importlib.metadata.Distribution, extras: Iterable[str]) -> Iterator[Requirement]:
    for text in distribution.requires or ():
        need = Requirement(text)
        if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in (*extras, "")):
            yield need


def _installed(name: str) -> importlib.metadata.Distribution | None:
    try:
        return importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _paths(distribution: importlib.metadata.Distribution | None) -> set[Path]:
    """Return the real paths of a distribution's files."""
    return {Path(str(file.locate())).resolve() for file in (distribution and distribution.files) or ()}


def _own_files(distribution: importlib.metadata.Distribution) -> set[PurePath]:
    """Return a distribution's files below its site folder: scripts and other things outside are not for candidates."""
    name = distribution.metadata["Name"]
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    if origin.get("dir_info", {}).get("editable"):
        raise TaskError(f"{name} is an editable install, whose files a jail cannot tell: pip install it without -e")
    if not distribution.files:
        raise TaskError(f"{name} was installed without a list of its files: pip install --force-reinstall '{name}'")
    return {
        PurePath(file)
        for file in distribution.files
        if file.parts[0] not in ("..", "__pycache__") and not file.is_absolute() and file.suffix != ".pth"
    }


def _entries(site: Path, folder: PurePath, files: set[PurePath], secret: set[Path]) -> Iterator[PurePath]:
    """Yield the files and whole folders to show of ``folder``, whose visible files are ``files``.

    A folder is shown whole if it is a package, or if all that it holds is visible; a namespace that several distributions share
    is entered, and so is a folder with something secret in it.
    """
    children: dict[str, set[PurePath]] = {}
    for file in files:
        children.setdefault(file.parts[len(folder.parts)], set()).add(file)
    for name, inner in sorted(children.items()):
        child = folder / name
        if not (site / child).is_dir():
            if (site / child).exists() and (site / child).resolve() not in secret:
                yield child
        elif _whole(site, child, inner, secret):
            yield child
        else:
            yield from _entries(site, child, inner, secret)


def _whole(site: Path, folder: PurePath, files: set[PurePath], secret: set[Path]) -> bool:
    real = (site / folder).resolve()
    if any(path.is_relative_to(real) for path in secret):
        return False
    if site / folder / "__init__.py" in {site / file for file in files}:
        return True
    for place, _, names in os.walk(site / folder):
        inside = PurePath(place).relative_to(site)
        if inside.name != "__pycache__" and any(inside / name not in files for name in names):
            return False
    return True
