"""Keeps keys out of whatever is stored, shown or handed on.

Keys come from the environment or the nearest ``.env``. Every text that comes from a service, an exception or a command goes
through `redact` before it is kept: services repeat keys in their error messages, and a model repeats what it was shown.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote, quote_plus

from dotenv import dotenv_values

from evolve.errors import ConfigError

SHORTEST = 8
"""Characters below which a value is not taken for a secret: it would be found in texts by chance."""

MASK = "***"

_NAMES = re.compile("KEY|TOKEN(?!IZ)|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)
_ESCAPE = re.compile("%[0-9A-F]{2}")
_FOR_URLS = str.maketrans("+/", "-_")
_remembered: set[str] = set()


def load_environment(start: Path | None = None) -> Path | None:
    """Read the nearest ``.env``, from ``start`` (the working folder) upwards, into the environment; what is set there stays.

    Returns:
        The file, None where there is none.

    Raises:
        ConfigError: if it cannot be read.
    """
    here = (start or Path.cwd()).resolve()
    file = next((path for folder in (here, *here.parents) if (path := folder / ".env").is_file()), None)
    if file is None:
        return None
    try:
        values = dotenv_values(file, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read ({error.__class__.__name__}); mend it, or move it away") from None
    for name, value in values.items():
        if value is None:
            continue
        if _NAMES.search(name):
            remember(value)
        os.environ.setdefault(name, value)
    return file


def remember(value: str) -> None:
    """Have `redact` replace ``value`` from now on."""
    if _tells(value.strip()):
        _remembered.add(value.strip())


def redact(text: str) -> str:
    """Return ``text`` with every secret in it replaced by ``***``: as it is, quoted, encoded, cut short or masked in part."""
    secrets = _secrets()
    return _pattern(secrets).sub(MASK, text) if secrets and text else text


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a child process that needs no key."""
    secrets = _secrets()
    return {
        name: value
        for name, value in environment.items()
        if not _NAMES.search(name) and not any(secret in value for secret in secrets)
    }


def _secrets() -> frozenset[str]:
    """Return the secrets known now: those remembered, and what the environment holds under names of secrets."""
    held = (value.strip() for name, value in os.environ.items() if _NAMES.search(name))
    return frozenset(_remembered).union(filter(_tells, held))


def _tells(value: str) -> bool:
    """Return whether a value can be told from other text: a short word of letters alone, such as a default password, or a
    short number stands in programs too, and replacing it there would change them; so does the path of a file, such as one
    that holds a key.
    """
    if value.startswith("/") and os.path.exists(value):
        return False
    return len(value) >= (2 * SHORTEST if value.isalpha() or value.isdigit() else SHORTEST)


@lru_cache(maxsize=8)
def _pattern(secrets: frozenset[str]) -> re.Pattern[str]:
    """Return what matches the secrets in all their forms, the longest first."""
    exact: set[str] = set()
    partial: list[str] = []
    for secret in secrets:
        escaped = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
        exact |= {secret, *escaped, *(_ESCAPE.sub(lambda found: found[0].lower(), form) for form in escaped)}
        exact |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
        exact |= _encoded(secret.encode("utf-8", "surrogateescape"))
        partial += _partial(secret)
    forms = [re.escape(form) for form in sorted(exact, key=lambda form: (-len(form), form))]
    return re.compile("|".join(forms + sorted(partial)))


def _encoded(secret: bytes) -> set[str]:
    """Return a secret in hexadecimal and in base64, also where that is of a longer text, such as ``user:key``: wherever the
    secret begins in it, the middle is one of three.
    """
    forms = {secret.hex(), secret.hex().upper(), base64.b64encode(secret).decode()}
    for before, unsure in enumerate((0, 2, 3)):  # characters that what comes before has a part in
        coded = base64.b64encode(bytes(before) + secret).decode()
        forms.add(coded[unsure : (before + len(secret)) * 8 // 6])
    return forms | {form.translate(_FOR_URLS) for form in forms}


def _partial(secret: str) -> list[str]:
    """Return what matches a secret of which a service shows both ends, or which was cut off after half of it and more."""
    forms = []
    if len(secret) >= 12:
        forms.append(
            rf"{re.escape(secret[:3])}[\w-]{{0,12}}(?:\*{{2,}}|\.{{2,}}|…|•+)[\w*-]{{0,12}}{re.escape(secret[-2:])}"
        )
    if len(secret) >= 24:
        forms.append(re.escape(secret[: max(16, len(secret) // 2)]) + r"[\w-]*")
    return forms
