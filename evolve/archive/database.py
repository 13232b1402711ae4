"""Opens an archive file: checks that it is one, brings its schema up to date, and wraps its one connection."""

from __future__ import annotations

import sqlite3
import time
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Self

from evolve.errors import ArchiveError
from evolve.resources import folder

APPLICATION = 0x45564F4C
"""What ``PRAGMA application_id`` says in our files; set by the first migration."""

WAIT = 30.0
"""Seconds that a writer waits for another one before it gives up."""

OLDEST = (3, 37, 0)
"""The first SQLite with STRICT tables."""

NETWORK = {
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "davfs",
    "fuse.glusterfs",
    "fuse.sshfs",
    "fuse.rclone",
    "gfs2",
    "glusterfs",
}
NETWORK |= {"gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "smb3", "smbfs"}
"""File systems that machines share, where write-ahead logging is unsafe (https://sqlite.org/wal.html, section 1)."""

REMEDIES = {
    sqlite3.SQLITE_NOTADB: "is no SQLite database; give another --db",
    sqlite3.SQLITE_CORRUPT: "is damaged; `sqlite3 FILE .recover` saves what can be saved, or take a backup",
    sqlite3.SQLITE_BUSY: f"was held by another writer for {WAIT:.0f} s; close the program that has it open",
    sqlite3.SQLITE_READONLY: "cannot be written; change its permissions, or copy it to where you may write",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; see that its folder exists and that you may write there",
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full; make room and run `evolve resume`",
    sqlite3.SQLITE_IOERR: "cannot be read or written: the disk reports an error",
}


def explained(error: sqlite3.Error, path: Path) -> ArchiveError | None:
    """Return what a user can do about ``error``, or None if it is a mistake of ours."""
    code = getattr(error, "sqlite_errorcode", None)
    remedy = None if code is None else REMEDIES.get(code & 0xFF)  # extended codes keep the primary one in the low byte
    return None if remedy is None else ArchiveError(f"{path} {remedy} ({error})")


def statements(script: str) -> Iterator[str]:
    """Cut ``script`` into statements: run one by one, they stay in the transaction that ``executescript`` would end.

    Raises:
        ValueError: if the last statement is not complete.
    """
    text = ""
    for line in script.splitlines(keepends=True):
        text += line
        if sqlite3.complete_statement(text):
            yield text.strip()
            text = ""
    if any(line.strip() and not line.lstrip().startswith("--") for line in text.splitlines()):
        raise ValueError(f"unfinished SQL statement: {text.strip()[:60]!r}")


def file_system(path: Path, mounts: str) -> str:
    """Return the type of the file system of ``path``, by ``mounts`` as in /proc/self/mounts; empty if unknown."""
    found, kind = -1, ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        place = fields[1].replace("\\040", " ")
        if path.is_relative_to(place) and len(place) >= found:
            found, kind = len(place), fields[2]
    return kind


def warn_of_network(path: Path) -> None:
    """Warn if ``path`` lies on a network file system. Says nothing where the system does not tell its mounts."""
    table = Path("/proc/self/mounts")
    kind = file_system(path.resolve(), table.read_text("utf-8", "replace")) if table.exists() else ""
    if kind in NETWORK:
        warnings.warn(
            f"{path} is on a network file system ({kind}): use it from one machine only, or put it elsewhere with --db",
            stacklevel=4,
        )


def migrate(connection: sqlite3.Connection, files: Mapping[str, str]) -> None:
    """Apply the migrations in ``files`` (name -> SQL) that ``connection`` lacks, all or none."""
    from sqlite_utils import Database as Utilities  # imports NumPy: 0.1 s, and seldom needed
    from sqlite_utils import Migrations

    migrations = Migrations("evolve")
    for name, script in files.items():

        def apply(db: Utilities, script: str = script) -> None:
            for statement in statements(script):
                db.conn.execute(statement)

        migrations(name=name)(apply)
    migrations.apply(Utilities(connection))


class Database:
    """One connection to an archive file whose schema is ours and up to date. A context manager; used by one thread."""

    def __init__(self, path: str | Path = "evolve.db", *, create: bool = True) -> None:
        """Open the archive at ``path``.

        Args:
            path: the file.
            create: make the file where there is none; also warn if it lies on a network file system.

        Raises:
            ArchiveError: if there is no such file and ``create`` is false, or it is not ours, too new, or damaged.
        """
        self.path = Path(path)
        if sqlite3.sqlite_version_info < OLDEST:
            raise ArchiveError(
                f"SQLite {sqlite3.sqlite_version} is too old: the archive needs {'.'.join(map(str, OLDEST))} or later"
            )
        if not create and not self.path.is_file():
            raise ArchiveError(
                f"there is no archive at {self.path}; start one with `evolve run TASK`, or name another with --db"
            )
        if create:
            warn_of_network(self.path)
        try:
            self._connection = sqlite3.connect(self.path, timeout=WAIT, isolation_level=None, cached_statements=256)
        except sqlite3.OperationalError as error:
            raise ArchiveError(
                f"{self.path} cannot be opened; see that its folder exists and that you may write there"
            ) from error
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        """Set the connection up, and migrate a file that lacks something."""
        self._log_ahead()
        for pragma in ("synchronous = FULL", "foreign_keys = ON", "temp_store = MEMORY"):
            self._all(f"PRAGMA {pragma}")
        files = {
            file.stem: file.read_text("utf-8") for file in sorted((folder("archive") / "migrations").glob("*.sql"))
        }
        views = (folder("archive") / "views.sql").read_text("utf-8")
        if self._behind(files, views):
            with self.transaction():
                if self._behind(files, views):  # asked again: another process may have been faster
                    if self._missing(files):
                        migrate(self._connection, files)
                    self._replace_views(views)
            self._all("PRAGMA wal_checkpoint(PASSIVE)")  # so that the file itself tells what it is, not its log alone

    def _log_ahead(self) -> None:
        """Turn write-ahead logging on. SQLite does not wait where another process is just making the same new file: we do."""
        end = time.monotonic() + WAIT
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL").fetchall()
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY and time.monotonic() < end:
                    time.sleep(0.01)
                    continue
                raise explained(error, self.path) or error from error
            except sqlite3.DatabaseError as error:
                raise explained(error, self.path) or error from error

    def read_only(self) -> None:
        """Let this connection write nothing any more."""
        self._all("PRAGMA query_only = ON")

    def _behind(self, files: Mapping[str, str], views: str) -> bool:
        """Return whether migrations or the present views are missing; ``user_version`` is a checksum of the views."""
        (version,) = self._one("PRAGMA user_version")
        return bool(self._missing(files)) or version != _checksum(views)

    def _missing(self, files: Mapping[str, str]) -> list[str]:
        """Return the names of the migrations to apply.

        Raises:
            ArchiveError: if the file is not ours, or newer.
        """
        tables = {name for (name,) in self._all("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        if not tables:
            return list(files)
        (application,) = self._one("PRAGMA application_id")
        if application != APPLICATION or "_sqlite_migrations" not in tables:
            raise ArchiveError(f"{self.path} is a database of another program; give another --db")
        applied = {name for (name,) in self._all("SELECT name FROM _sqlite_migrations WHERE migration_set = 'evolve'")}
        if newer := sorted(applied - set(files)):
            raise ArchiveError(
                f"{self.path} was written by a newer version of evolve (it has {newer[-1]}); upgrade to read it"
            )
        return [name for name in files if name not in applied]

    def _replace_views(self, views: str) -> None:
        """Create the views anew."""
        for (name,) in self._all("SELECT name FROM sqlite_schema WHERE type = 'view'"):
            self._run(f'DROP VIEW "{name}"')
        for statement in statements(views):
            self._run(statement)
        self._run(f"PRAGMA user_version = {_checksum(views)}")

    @contextmanager
    def transaction(self, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
        """Make what is written inside one commit, all of it or nothing; inside another transaction, part of that."""
        if self._connection.in_transaction:
            yield
            return
        self._run(begin)
        try:
            yield
            self._run("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # some errors have rolled back already
                self._connection.rollback()
            raise

    def close(self) -> None:
        """Close the file. May be called twice."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> sqlite3.Cursor:
        """Execute one statement, turning what a user can mend into an `ArchiveError`."""
        try:
            return self._connection.execute(sql, parameters)
        except sqlite3.DatabaseError as error:
            if (mendable := explained(error, self.path)) is None:
                raise
            raise mendable from error

    def _insert(self, table: str, key: str | None = None, /, **columns: object) -> int | None:
        """Insert a row and return its rowid; None if ``key`` is given and a row with the same key is there already."""
        cursor = self._run(_insertion(table, key, tuple(columns)), columns)
        return cursor.lastrowid if cursor.rowcount else None

    def _stream(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> Iterator[Any]:
        """Yield the rows of a query. Damage may show in any of them."""
        cursor = self._run(sql, parameters)
        try:
            yield from cursor
        except sqlite3.DatabaseError as error:
            if (mendable := explained(error, self.path)) is None:
                raise
            raise mendable from error
        finally:
            with suppress(sqlite3.ProgrammingError):  # the archive was closed before
                cursor.close()  # an open read would keep the write-ahead log from being folded in

    def _all(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
        """Return all rows of a query."""
        return list(self._stream(sql, parameters))

    def _one(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> Any:
        """Return the first row of a query, or None."""
        return next(iter(self._all(sql, parameters)), None)


def _checksum(views: str) -> int:
    """Return 31 bits that tell one version of the views from another."""
    return zlib.crc32(views.encode()) & 0x7FFFFFFF


@cache
def _insertion(table: str, key: str | None, columns: tuple[str, ...]) -> str:
    """Return the statement that inserts these columns."""
    names, values = ", ".join(columns), ", ".join(f":{column}" for column in columns)
    clause = "" if key is None else f" ON CONFLICT ({key}) DO NOTHING"
    return f"INSERT INTO {table} ({names}) VALUES ({values}){clause}"
