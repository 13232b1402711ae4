"""The language of a file by its suffix."""

LANGUAGES = {
    ".py": "python", ".c": "c", ".h": "c", ".cc": "cpp", ".cpp": "cpp", ".hpp": "cpp", ".cu": "cuda", ".rs": "rust",
    ".go": "go", ".java": "java", ".js": "javascript", ".ts": "typescript", ".jl": "julia", ".r": "r", ".f90": "fortran",
    ".hs": "haskell", ".ml": "ocaml", ".lean": "lean", ".sh": "shell", ".sql": "sql", ".json": "json", ".toml": "toml",
    ".yaml": "yaml", ".md": "markdown", ".txt": "text",
}  # fmt: skip
"""The language of a program by the suffix of its entry file; another suffix is a language of its own name."""
