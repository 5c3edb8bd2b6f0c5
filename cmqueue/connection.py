"""The way to Redis: one client whose calls end in time and whose failures say what may have happened."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NoReturn

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)
from redis.retry import Retry

from cmqueue.errors import OutboxFull, OutboxRefused, OutboxUnavailable
from cmqueue.script import KEYS, source


class NotConnected(RedisConnectionError):
    """No connection came about, so no command was sent."""


def _sure(connection: type[Any]) -> type[Any]:
    """`connection`, telling a failed connect apart from a lost reply."""

    class SureConnection(connection):  # type: ignore[misc]  # three bases of one shape
        def connect(self) -> None:
            try:
                super().connect()
            except (RedisConnectionError, RedisTimeoutError, OSError) as error:
                raise NotConnected(type(error).__name__) from error

    return SureConnection


_CONNECTIONS = {
    "redis": _sure(Connection),
    "rediss": _sure(SSLConnection),
    "unix": _sure(UnixDomainSocketConnection),
}


def connect(url: str, timeout: float, *, name: str = "cmqueue") -> redis.Redis:
    """A client for `url` whose single call ends within `timeout` seconds, connecting included.

    The client's own repeats are off: `run` repeats, and knows whether a first try may have been heard.
    """
    scheme = url.partition(":")[0]
    return redis.Redis.from_pool(
        redis.ConnectionPool.from_url(
            url,
            connection_class=_CONNECTIONS[scheme],
            socket_timeout=timeout * 0.6,
            **(
                {}
                if scheme == "unix"
                else {"socket_connect_timeout": timeout * 0.3, "socket_keepalive": True}
            ),
            health_check_interval=0,
            retry=Retry(NoBackoff(), 0),
            client_name=name,
            protocol=2,
        )
    )


class Scripts:
    """The scripts, callable on one client. Safe to share between threads and after a fork."""

    def __init__(self, client: redis.Redis, timeout: float) -> None:
        self.client = client
        self._patience = timeout * 0.3  # a second try must end within the timeout too
        self._scripts = {name: client.register_script(source(name)) for name in KEYS}

    def greet(self, greeting: Callable[[Any], None]) -> None:
        """Call `greeting` with each connection to come, before its first command."""

        def on_connect(connection: Any) -> None:
            connection.on_connect()
            greeting(connection)

        self.client.connection_pool.connection_kwargs["redis_connect_func"] = on_connect

    def run(self, name: str, prefix: str, args: list[Any]) -> Any:
        """Run the script `name` on the partition whose keys start with `prefix`; its reply.

        Every script may be repeated, so a connection that turns out stale is replaced and the call made once
        more. Raises OutboxUnavailable, and OutboxFull when Redis has no memory left.
        """
        script = self._scripts[name]
        keys = [prefix + key for key in KEYS[name]]
        return self.guarded(lambda: script(keys=keys, args=args))

    def begin(self, name: str, prefix: str, args: list[Any]) -> Callable[[], Any]:
        """Send what `run` would send; its reply comes of calling the result, which must be done, and once.

        Meanwhile Redis works, and the caller may. A thread that waits would serve worse: it can't send before
        this one lets go of the interpreter.
        """
        began = time.monotonic()
        script = self._scripts[name]
        keys = [prefix + key for key in KEYS[name]]
        again = partial(script, keys=keys, args=args)
        first: Callable[[], Any]
        steps = _asked(self.client.connection_pool, "EVALSHA", script.sha, len(keys), *keys, *args)
        try:
            next(steps)
            first = partial(next, steps)
        except RedisError as error:
            first = partial(_raise, error)
        tries = iter((first, again))

        def command() -> Any:
            try:
                return next(tries)()
            except NoScriptError:
                return again()

        return partial(self.guarded, command, spent=time.monotonic() - began)

    def guarded(self, command: Any, *, spent: float = 0.0) -> Any:
        """The result of calling `command`, with Redis's failures turned into ours.

        `spent` are the seconds that have gone into the call before.
        """
        heard = False
        began = time.monotonic() - spent
        for last in (False, True):
            try:
                return command()
            except NotConnected as error:
                problem = f"Redis cannot be reached ({error})"
            except RedisTimeoutError:
                raise OutboxUnavailable("Redis did not answer in time", maybe_enqueued=True) from None
            except OutOfMemoryError:
                if heard:
                    raise OutboxUnavailable("Redis is out of memory", maybe_enqueued=True) from None
                raise OutboxFull from None
            except RedisConnectionError as error:
                heard = True
                problem = f"the connection to Redis was lost ({type(error).__name__})"
            except (ReadOnlyError, NoPermissionError) as error:
                # Refused before anything ran.
                raise OutboxUnavailable(
                    f"Redis refused: {type(error).__name__}", maybe_enqueued=heard
                ) from None
            except RedisError as error:
                # Redis's own words on a script hold no data of ours; it may have failed half way.
                raise OutboxRefused(f"Redis refused: {str(error)[:200]}", maybe_enqueued=True) from None
            if last or time.monotonic() - began > self._patience:
                break
        raise OutboxUnavailable(problem, maybe_enqueued=heard) from None


def _asked(pool: redis.ConnectionPool, *command: Any) -> Iterator[Any]:
    """Two steps: the first sends `command`, the second gives its reply."""
    connection: Any = pool.get_connection()
    try:
        connection.send_command(*command)
        yield None
        reply = connection.read_response()
    except GeneratorExit:
        connection.disconnect()  # the next command would read this one's reply
        raise
    finally:
        pool.release(connection)
    yield reply


def _raise(error: Exception) -> NoReturn:
    raise error
