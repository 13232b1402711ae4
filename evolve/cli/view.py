"""The verb that serves the pages."""

from __future__ import annotations

import secrets
import socket
from contextlib import suppress
from pathlib import Path

import click

from evolve.cli.options import database_option
from evolve.errors import ConfigError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
EVERYWHERE = ("0.0.0.0", "::")
"""Where one listens to be reached by any name of this machine; no address by which to reach it."""


@click.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Where to listen; other than this machine only with the token.",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8137, show_default=True, help="Which port; 0 for a free one."
)
@click.option("--open", "browser", is_flag=True, help="Open the page in a browser.")
@database_option
def view(host: str, port: int, browser: bool, db: Path) -> None:
    """Show the archive as pages in a browser, live while a run goes on."""
    try:
        import uvicorn

        from evolve.view.app import Door, build
    except ImportError as error:
        raise ConfigError(
            f"the pages need the package {error.name}: pip install 'evolve-programs[view]'; `evolve report` needs none"
        ) from None
    from evolve.archive import Archive

    Archive(db, create=False).close()  # an error now, and not on the first page
    door = Door(secrets.token_urlsafe(24), closed=host not in LOOPBACK)
    server = uvicorn.Server(uvicorn.Config(build(db, _names(host), door), log_level="warning", server_header=False))
    with _bound(host, port) as listening:
        host = socket.gethostname() if host in EVERYWHERE else host
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listening.getsockname()[1]}/?token={door.token}"
        click.echo(f"{address}\nwho has this address may pause, stop and hint; Ctrl-C ends the pages, never a run")
        if browser:
            click.launch(address)
        with suppress(KeyboardInterrupt):  # how uvicorn ends, once it has closed what was open
            server.run(sockets=[listening])


def _names(host: str) -> tuple[str, ...]:
    """Return the names under which the pages may be asked for. Where they listen everywhere these cannot be known: the
    token, which no page elsewhere has, must do.
    """
    if host in EVERYWHERE:
        return ("*",)
    return (*LOOPBACK, "[::1]", host.lower())  # as a request's is compared


def _bound(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address.

    Raises:
        ConfigError: if that cannot be.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host} port {port}: {error.strerror or error}; --port 0 takes a free one"
        ) from None


VERBS = (view,)
