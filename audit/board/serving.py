"""The board on a socket of this machine: bound first, then served until somebody ends it.

Only 127.0.0.1 is ever bound. uvicorn answers one request at a time per connection, says nothing on
the terminal, and ends what hangs after a moment.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn

from audit.board.app import build
from audit.board.office import Office
from audit.board.session import ADDRESS, Session
from audit.errors import Unavailable

BACKLOG = 32
CONNECTIONS_MAX = 64
GOODBYE_S = 1
"""Seconds that an open request has, once somebody ends the board."""
HEADER_BYTES_MAX = 16 << 10


def bind(port: int) -> socket.socket:
    """Return a socket that listens on a port of this machine alone; 0 means any that is free.

    Raises:
        Unavailable: the port is taken, or may not be used.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.bind((ADDRESS, port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        why = (error.strerror or str(error)).lower()
        raise Unavailable(
            f"the board cannot listen port=`{port}`: {why}", next_step="leave out --port"
        ) from error
    return sock


class Board:
    """A board that is bound and not yet served. `address` is for the one who started it."""

    def __init__(
        self, office: Office, port: int = 0, entered: Callable[[], None] = lambda: None
    ) -> None:
        self._socket = bind(port)
        self.session = Session(self._socket.getsockname()[1])
        self.address = self.session.address
        self._guard = build(office, self.session, entered=entered, fell=self._end)
        config = uvicorn.Config(
            self._guard,
            log_config=None,
            log_level="critical",
            access_log=False,
            lifespan="off",
            ws="none",
            http="h11",
            loop="asyncio",
            interface="asgi3",
            proxy_headers=False,
            server_header=False,
            limit_concurrency=CONNECTIONS_MAX,
            h11_max_incomplete_event_size=HEADER_BYTES_MAX,
            timeout_graceful_shutdown=GOODBYE_S,
        )
        self._server = uvicorn.Server(config)

    def serve(self) -> None:
        """Answer until somebody ends it. Raises the fault of ours that ended it, if one did.

        Raises:
            KeyboardInterrupt: somebody pressed Ctrl-C; all is closed.
        """
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()
        if self._guard.fault is not None:
            raise self._guard.fault

    def _end(self) -> None:
        self._server.should_exit = True
