"""`evolve view` as a web application: which page stands at which address, and what keeps strangers out.

The archive is opened anew for each request and only read, but for one table: with the token that `evolve view` prints, a
visitor may pause, stop and hint. Everything a program wrote is hostile here: it is escaped, and the content-security policy
lets no script run but our own two files.
"""

from __future__ import annotations

import re
import secrets
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from evolve.archive import Archive
from evolve.archive.values import plain
from evolve.errors import ArchiveError
from evolve.view import pages
from evolve.view.artifacts import PICTURES, TEXTS, plain_type
from evolve.view.code import styles
from evolve.view.render import render
from evolve.view.shown import Page, Shown, Visit

HERE = Path(__file__).parent
COOKIE, THEME = "evolve_token", "evolve_theme"
SECURE = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
ARTIFACT = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
"""The policy of what judges kept: a picture may be drawn, and nothing of it may run, load or send."""
LARGEST = 16 << 20
"""Bytes of an artifact that is served."""
LONGEST_FORM = 64 << 10
"""Bytes of a form that is read: a hint of the longest, each character of it escaped, and some more."""
THEMES = ("dark", "light")
PORT = re.compile(r":([0-9]{1,5})\Z")


class RowNumber(IntegerConvertor):
    """A number in an address that a row of the archive can have: SQLite knows none that are larger."""

    regex = "[0-9]{1,18}"


register_url_convertor("row", RowNumber())


@dataclass(frozen=True, slots=True)
class Door:
    """Who may come in. ``token`` lets a visitor write; with ``closed`` it is needed to read as well."""

    token: str
    closed: bool

    def knows(self, request: Request) -> bool:
        """Return whether the visitor has the token, in the cookie."""
        return self.opens(request.cookies.get(cookie(request), ""))

    def opens(self, given: str) -> bool:
        """Return whether ``given`` is the token."""
        return secrets.compare_digest(given.encode("utf-8", "replace"), self.token.encode())


def cookie(request: Request) -> str:
    """Return the cookie's name: browsers send those of one host to all its ports, where other archives may be shown."""
    port = PORT.search(request.headers.get("host", ""))
    return f"{COOKIE}_{port[1]}" if port else COOKIE


Endpoint = Callable[[Request], Awaitable[Response] | Response]


def build(db: Path, hosts: tuple[str, ...], door: Door) -> Starlette:
    """Return the application.

    Args:
        db: the archive.
        hosts: the names under which it may be asked for; others are refused, so that no page elsewhere can point a name of
            its own here.
        door: who may come in.
    """
    routes = [Route(path, _page(db, door, page), methods=["GET"]) for path, page in pages.PAGES.items()]
    routes += [
        Route("/runs/{run}/commands", _command(db, door), methods=["POST"]),
        Route("/runs/{run}/artifacts/{id:row}", _guarded(door, _artifact(db)), methods=["GET"]),
        Route("/theme", _guarded(door, _theme), methods=["GET"]),
        Route("/code.css", lambda request: Response(styles(), media_type="text/css"), methods=["GET"]),
    ]
    static = Mount("/static", StaticFiles(directory=HERE / "static"))
    return Starlette(
        routes=[*routes, static],
        middleware=[
            Middleware(Secure),
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
        ],
        exception_handlers={ArchiveError: _refused, 404: _nowhere, Exception: _broken},
    )


class Secure:
    """Adds the headers that every answer has, unless it says otherwise itself."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        """Pass a request on."""

        async def secured(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(
                        (name.encode(), value.encode())
                        for name, value in SECURE.items()
                        if name.lower().encode() not in given
                    ),
                ]
            await send(message)

        await self._app(scope, receive, secured)


def _guarded(door: Door, endpoint: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """Let only those in who may read. A token in the address becomes a cookie, and leaves the address."""

    def respond(request: Request) -> Response:
        given = request.query_params.get("token")
        if given is not None and door.opens(given):
            rest = request.url.remove_query_params("token")
            answer = RedirectResponse(rest.path + (f"?{rest.query}" if rest.query else ""), 303)
            answer.set_cookie(cookie(request), door.token, httponly=True, samesite="strict", path="/")
            return answer
        if door.closed and not door.knows(request):
            return PlainTextResponse("open the address that `evolve view` printed: it has a token", 403)
        return endpoint(request)

    return respond


def _page(db: Path, door: Door, page: Page) -> Callable[[Request], Response]:
    """Return what answers requests for a page: as HTML, or as JSON where that is asked for."""

    def respond(request: Request) -> Response:
        may_write = door.knows(request)
        with Archive(db, create=False) as archive:
            archive.read_only()
            shown = page(
                Visit(
                    archive, dict(request.path_params), dict(request.query_params), request.query_params.multi_items()
                )
            )
        if shown.location:
            return RedirectResponse(shown.location + ("?format=json" if _wants_json(request) else ""), 303)
        if _wants_json(request):
            return JSONResponse(plain(shown.data))
        return _html(request, shown, door.token if may_write else "")

    return _guarded(door, respond)


def _html(request: Request, shown: Shown, token: str = "", status: int = 200) -> Response:
    theme = request.cookies.get(THEME, "")
    data = request.url.include_query_params(format="json")
    common = {
        "theme": theme if theme in THEMES else "",
        "token": token,
        "here": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        "json_address": f"{data.path}?{data.query}",
    }
    return Response(render(shown.template, {**common, **shown.values}), status, media_type="text/html")


def _wants_json(request: Request) -> bool:
    """Whether JSON is asked for: by ``?format=json``, or before HTML in the Accept header."""
    if "format" in request.query_params:
        return request.query_params["format"] == "json"
    accepted = request.headers.get("accept", "")
    return "application/json" in accepted and "text/html" not in accepted


def _command(db: Path, door: Door) -> Endpoint:
    """Return what takes a command for a run: pause, continue, stop, a hint or its withdrawal."""

    def act(run: str, kind: str, text: str, request: Request) -> Response:
        with Archive(db, create=False) as archive:
            try:
                archive.command(run, kind, text, "page")  # type: ignore[arg-type]  # one of the literals, by the line below
            except ArchiveError as error:
                return _problem(request, str(error), 503 if _unreadable(error) else 409)
        return RedirectResponse(f"/runs/{run}" + ("/hints" if kind in ("hint", "withdraw") else ""), 303)

    async def respond(request: Request) -> Response:
        form = await _form(request) if door.knows(request) else {}  # of strangers not even that is read
        if form is None:
            return PlainTextResponse(f"a form has at most {LONGEST_FORM} bytes", 413)
        if not door.opens(form.get("token", "")):
            return PlainTextResponse(
                "only who opened the address with the token may do this; `evolve view` prints it", 403
            )
        kind = form.get("kind", "")
        if kind not in ("pause", "continue", "stop", "hint", "withdraw"):
            return PlainTextResponse(f"there is no command {kind!r}", 400)
        # In a thread, as pages are: it may have to wait for who writes the archive, and nobody else is to wait for it.
        return await run_in_threadpool(act, request.path_params["run"], kind, form.get("text", ""), request)

    return respond


async def _form(request: Request) -> dict[str, str] | None:
    """Return what a form of ours says, nothing if it was broken off; None if it is longer than any of them."""
    body = b""
    try:
        async for part in request.stream():
            body += part
            if len(body) > LONGEST_FORM:
                return None
    except ClientDisconnect:
        return {}
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _artifact(db: Path) -> Callable[[Request], Response]:
    """Return what answers requests for an artifact: pictures as such, everything else as text or as a file to save."""

    def respond(request: Request) -> Response:
        with Archive(db, create=False) as archive:
            archive.read_only()
            run, id = request.path_params["run"], request.path_params["id"]
            if (size := archive.artifact_size(run, id)) > LARGEST:
                return PlainTextResponse(f"it has {size} bytes; `evolve export` writes it to a file", 413)
            kept = archive.artifact(run, id)
        headers, mime = {"Content-Security-Policy": ARTIFACT}, plain_type(kept.mime)
        if mime in PICTURES:
            return Response(kept.data, media_type=mime, headers=headers)
        if mime.startswith("text/") or mime in TEXTS:
            return Response(kept.data, media_type="text/plain; charset=utf-8", headers=headers)
        headers["Content-Disposition"] = "attachment"
        return Response(kept.data, media_type="application/octet-stream", headers=headers)

    return respond


def _theme(request: Request) -> Response:
    """Remember whether pages are dark or light, and go back to a page of ours."""
    back = request.query_params.get("back", "/")
    answer = RedirectResponse(back if back.startswith("/") and not back.startswith(("//", "/\\")) else "/", 303)
    to = request.query_params.get("to", "")
    answer.set_cookie(THEME, to if to in THEMES else "", httponly=True, samesite="strict", path="/")
    return answer


def _refused(request: Request, error: Exception) -> Response:
    """Answer for what the archive has not, and for an archive that cannot be read just now: locked, damaged, its disk full."""
    return _problem(request, str(error), 503 if _unreadable(error) else 404)


def _unreadable(error: Exception) -> bool:
    """Return whether it is the archive itself that cannot be used, rather than something that it has not."""
    return isinstance(error.__cause__, sqlite3.Error)


def _broken(request: Request, error: Exception) -> Response:
    """Answer for an error of ours, which goes on to the terminal as a traceback; no middleware sees this answer any more."""
    said = f"this page failed with {type(error).__name__}; the terminal where `evolve view` runs shows where"
    answer = _problem(request, said, 500)
    answer.headers.update(SECURE)
    return answer


def _problem(request: Request, said: str, status: int) -> Response:
    if _wants_json(request):
        return JSONResponse({"error": said}, status)
    return _html(request, pages.problem(said, status), status=status)


def _nowhere(request: Request, error: Exception) -> Response:
    if request.url.path.startswith("//"):  # which in a link of the page would be another host
        return PlainTextResponse("there is no such page", 404)
    return _problem(request, f"there is no page at {request.url.path}", 404)
