"""The language of a file by its suffix, and what a comment looks like in it."""

from __future__ import annotations

from pathlib import PurePosixPath

LANGUAGES = {
    ".py": "python", ".c": "c", ".h": "c", ".cc": "cpp", ".cpp": "cpp", ".hpp": "cpp", ".cu": "cuda", ".rs": "rust",
    ".go": "go", ".java": "java", ".js": "javascript", ".ts": "typescript", ".jl": "julia", ".r": "r", ".f90": "fortran",
    ".hs": "haskell", ".ml": "ocaml", ".lean": "lean", ".sh": "shell", ".sql": "sql", ".json": "json", ".toml": "toml",
    ".yaml": "yaml", ".yml": "yaml", ".md": "markdown", ".txt": "text",
}  # fmt: skip
"""The language of a program by the suffix of its entry file; another suffix is a language of its own name."""

_COMMENTS = {
    r"\#[^\n]*": {"python", "r", "julia", "shell", "bash", "yaml", "toml", "rb", "pl", "pm", "ex", "exs", "nim", "mk"},
    r"--[^\n]*": {"lua", "elm", "adb", "ads", "vhd", "vhdl"},
    r"--[^\n]*|/\*.*?\*/": {"sql"},
    r"--[^\n]*|\{-.*?-\}": {"haskell"},
    r"--[^\n]*|/-.*?-/": {"lean"},
    r"\(\*.*?\*\)": {"ocaml"},
    r"![^\n]*": {"fortran"},
    r"(?!)": {"text", "markdown", "json", "csv"},
}
_SLASHES = r"//[^\n]*|/\*.*?\*/"


def language(path: str) -> str:
    """Return the language of a file; ``text`` where it has no suffix."""
    suffix = PurePosixPath(path).suffix.lower()
    return LANGUAGES.get(suffix, suffix.lstrip(".") or "text")


def comments(language: str) -> str:
    """Return a regular expression for the comments of a language, to be used with ``re.DOTALL``: C's where we know none."""
    return next((pattern for pattern, names in _COMMENTS.items() if language in names), _SLASHES)
