"""A listener that has something to settle before the session: who the client is (the PROXY header
of a balancer in front), or TLS from the first octet.

An ordinary listener needs none of this and is served by asyncio itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from gateway.edge.admission import TOO_MANY_FROM_YOU, canonical_ip, client_key, is_loopback
from gateway.edge.answers import BAD_PROXY, NO_HANDSHAKE
from gateway.edge.proxy import Malformed, read_client
from gateway.edge.service import Service
from gateway.message import Session

HEADER_SECONDS = 10.0
"""How long a balancer may take to say who the client is: it should be its first octets."""
HANDSHAKE_SECONDS = 30.0
PAUSE = 1.0
"""Seconds without accepting when the system has no more sockets."""

_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
MakeSession = Callable[[str], asyncio.BaseProtocol]
"""The session with a client of this address."""


class Gone(Exception):  # noqa: N818 - nobody errs
    """A balancer looked whether we are there, and said nothing."""


class Crowded(Exception):  # noqa: N818
    """As many of this client stand at the door already as it may have inside."""


class Door:
    """`proxies`: clients of these networks are balancers, who must say whom they speak for."""

    def __init__(
        self,
        service: Service,
        make_session: MakeSession,
        *,
        proxies: Sequence[str] = (),
        implicit_tls: bool = False,
    ) -> None:
        self._service = service
        self._make_session = make_session
        self._proxies = [ipaddress.ip_network(network) for network in proxies]
        self._implicit_tls = implicit_tls
        self._accepting: asyncio.Task[None] | None = None
        self._arriving: set[asyncio.Task[None]] = set()
        self._clients = Counter[str]()
        """Of those how many are each client's, by its key."""
        self.sockets: tuple[socket.socket, ...] = ()

    async def open(self, host: str, port: int, *, backlog: int, reuse_port: bool) -> None:
        """Raises OSError if the address cannot be had."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server(
            (host, port), family=family, backlog=backlog, reuse_port=reuse_port
        )
        listening.setblocking(False)
        self.sockets = (listening,)
        self._accepting = asyncio.create_task(self._accept_all(listening), name="accepting")
        self._accepting.add_done_callback(lambda _task: listening.close())

    def close(self) -> None:
        """Take no more connections; who is not inside yet is let go."""
        for task in (self._accepting, *self._arriving):
            if task is not None:
                task.cancel()

    async def _accept_all(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(listening)
            except OSError as error:
                self._service.journal.trouble("accept", error)
                if error.errno in _EXHAUSTED:
                    await asyncio.sleep(PAUSE)
                continue
            if len(self._arriving) >= self._service.limits.connections:
                connection.close()
                continue
            arriving = asyncio.create_task(self._welcome(connection, canonical_ip(peer[0])))
            self._arriving.add(arriving)
            arriving.add_done_callback(self._arriving.discard)

    async def _welcome(self, connection: socket.socket, peer: str) -> None:
        """Settle what there is to settle, and begin the session."""
        inside = False
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client = await self._client(connection, peer)
            with self._counted(client):
                await self._begin(connection, client)
            inside = True
        except Gone:
            pass
        except Crowded:
            self._service.journal.turned_away(Session(peer), TOO_MANY_FROM_YOU, "connections")
        except (EOFError, Malformed, TimeoutError):
            self._service.journal.turned_away(Session(peer), BAD_PROXY, "proxy")
        except OSError:  # TLS errors are among them
            self._service.journal.turned_away(Session(peer), NO_HANDSHAKE, "tls")
        except Exception as error:
            self._service.journal.trouble("smtp", error)
        finally:
            if not inside:
                connection.close()

    async def _client(self, connection: socket.socket, peer: str) -> str:
        """The address of the client: the peer's own, or what a balancer says."""
        address = ipaddress.ip_address(peer)
        if not any(address in network for network in self._proxies):
            return peer
        loop = asyncio.get_running_loop()
        heard = False

        async def read(octets: int) -> bytes:
            nonlocal heard
            found = b""
            while len(found) < octets:
                more = b""
                with contextlib.suppress(ConnectionResetError):  # how some balancers leave
                    more = await loop.sock_recv(connection, octets - len(found))
                if not more:
                    raise EOFError if heard else Gone
                found += more
                heard = True
            return found

        async with asyncio.timeout(HEADER_SECONDS):
            return await read_client(read) or peer

    @contextlib.contextmanager
    def _counted(self, client: str) -> Iterator[None]:
        """Nobody keeps all others out by never ending a handshake. Raises Crowded."""
        limits, key = self._service.limits, client_key(client)
        if self._clients[key] >= limits.connections_per_client and (
            limits.loopback or not is_loopback(client)
        ):
            raise Crowded
        self._clients[key] += 1
        try:
            yield
        finally:
            self._clients[key] -= 1
            if not self._clients[key]:
                del self._clients[key]

    async def _begin(self, connection: socket.socket, client: str) -> None:
        certificate = self._service.certificate if self._implicit_tls else None
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: self._make_session(client),
            connection,
            ssl=certificate.context if certificate else None,
            ssl_handshake_timeout=HANDSHAKE_SECONDS if certificate else None,
        )
