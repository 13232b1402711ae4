"""Reads TOML into checked models; an error names file, line, key, what is wrong, and the nearest key that is known."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from evolve.errors import ConfigError, EvolveError
from evolve.secrets import redact

Model = TypeVar("Model", bound=BaseModel)


def parse(
    model: type[Model], data: Mapping[str, Any], *, where: str, text: str = "", error: type[EvolveError] = ConfigError
) -> Model:
    """Validate ``data`` as ``model``. ``where`` names the source of the data and ``text`` is its TOML, for line
    numbers.

    Raises:
        EvolveError: of the type ``error``, naming place, key, what is wrong, and the nearest known key for an unknown
        one.
    """
    try:
        return model.model_validate(dict(data))
    except ValidationError as problem:
        errors = problem.errors(include_url=False)
        # A typo explains the rest.
        first = next((error for error in errors if error["type"] == "extra_forbidden"), errors[0])
        path = [str(part) for part in first["loc"]]
        line = _line(text, path)
        place = f"{where}:{line}" if line else where
        if first["type"] == "extra_forbidden":
            raise error(f"{place}: {_unknown(model, path)}") from None
        told = path[-1:] != ["key"] and first["type"] != "missing"
        got = redact(f" (got {first['input']!r})") if told else ""
        message = first["msg"].removeprefix("Value error, ").replace("a valid tuple", "a list")
        raise error(f"{place}: {'.'.join(path)}: {message}{got}") from None


def _unknown(model: type[BaseModel], path: list[str]) -> str:
    known = sorted(_fields(model, path[:-1]))
    near = get_close_matches(path[-1], known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
    return f"unknown key {'.'.join(path)!r}; {hint}"


def _fields(model: type[BaseModel], path: Iterable[str]) -> Iterable[str]:
    """Return the field names of the table at ``path`` inside ``model``."""
    table: type[BaseModel] = model
    for part in path:
        field = table.model_fields.get(part)
        if field is None:
            continue  # a key of a mapping or an index: the model below it is found through its field
        nested = [
            kind
            for kind in (field.annotation, *_arguments(field.annotation))
            if isinstance(kind, type) and issubclass(kind, BaseModel)
        ]
        if nested:
            table = nested[0]
    return [field.alias or name for name, field in table.model_fields.items()]


def _arguments(kind: Any) -> Iterable[Any]:
    for inner in get_args(kind):
        yield inner
        yield from _arguments(inner)


def _line(text: str, path: list[str]) -> int | None:
    """Return the line of the key at ``path`` in TOML ``text``, or of the nearest table above it."""
    table: list[str] = []
    found: int | None = None
    keys = [part for part in path if not part.isdigit()]
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if line.startswith("["):
            table = line.strip("[] ").split(".")
            if keys[: len(table)] == table:
                found = number
        elif "=" in line and not line.startswith("#"):
            here = table + [part.strip(" \"'") for part in line.split("=", 1)[0].split(".")]
            if keys[: len(here)] == here:
                return number
    return found


def read_toml(path: Path, error: type[EvolveError] = ConfigError) -> tuple[dict[str, Any], str]:
    """Return the data and the text of a TOML file.

    Raises:
        EvolveError: of the type ``error``, if it cannot be read or is not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        return tomllib.loads(text), text
    except OSError as problem:
        raise error(f"{path}: cannot be read: {problem.strerror}") from None
    except UnicodeDecodeError as problem:
        raise error(f"{path}: is not UTF-8: {problem.reason} at byte {problem.start}; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as problem:
        raise error(f"{path}: is not TOML: {problem}") from None
