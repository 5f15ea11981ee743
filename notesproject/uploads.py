"""Reads the bodies of requests on the event loop, within a time and within the memory that they may take together.

A body that is not whole yet holds no thread, no place in a lane and no connection to the database.
"""

import asyncio
import contextlib

from notes.api.bodies import DRAIN_BYTES, BadBody, announced_length, bytes_to_read, hand_over, raise_if_not_whole

# A body has this long, and a second more for each BYTES_A_SECOND of it.
PATIENCE_SECONDS = 30
BYTES_A_SECOND = 10_000


class Memory:
    """What the bodies of all requests of a process may take.

    If it is used up, the largest that still arrives gives way. So slow uploads do not keep others from writing.
    """

    def __init__(self, max_bytes):
        self.free = max_bytes
        self.arriving = set()

    def take(self, upload, size):
        self.free -= size
        upload.size += size
        if self.free < 0:
            max(self.arriving, key=lambda arriving: arriving.size).give_way()


class Upload:
    """The body of one request. It takes memory until the block ends, which is when the request is answered."""

    def __init__(self, proto, memory):
        self.proto = proto
        self.memory = memory
        self.size = 0
        self.gave_way = False
        self.given_up = False
        self.stream = None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.memory.free += self.size

    async def read(self, environ, max_bytes):
        """Read the body and hand it over to Django, or have Django refuse it."""
        try:
            hand_over(environ, await self.whole(environ, max_bytes))
        except BadBody as error:
            hand_over(environ, refusal=error.status)

    async def whole(self, environ, max_bytes):
        length = announced_length(environ, max_bytes)
        pieces = []
        if length != 0:
            self.memory.arriving.add(self)
            try:
                async with asyncio.timeout(seconds_for(length or 0)) as self.timeout:
                    await self.fill(pieces, length, bytes_to_read(length, max_bytes))
            except TimeoutError:
                self.given_up = True
                raise BadBody(503 if self.gave_way else 408) from None
            finally:
                self.memory.arriving.remove(self)
        raise_if_not_whole(self.size, length, max_bytes)
        return b"".join(pieces)

    async def fill(self, pieces, length, wanted):
        started = asyncio.get_running_loop().time()
        self.stream = aiter(self.proto)
        # An empty piece is the end, or a broken connection.
        while self.size < wanted and (piece := await anext(self.stream)):
            pieces.append(piece)
            self.memory.take(self, len(piece))
            if self.gave_way:
                raise TimeoutError
            if length is None:
                self.timeout.reschedule(started + seconds_for(self.size))

    def give_way(self):
        self.gave_way = True
        self.timeout.reschedule(0)

    async def drain(self):
        """Read the rest of a refused request and throw it away, unless it has been given up.

        Closing a connection with unread bytes resets it, and the client may lose the answer. The answer has gone out
        before, because a client may wait for it before it sends the rest.
        """
        if self.given_up:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                left = DRAIN_BYTES
                stream = self.stream or aiter(self.proto)
                while left > 0 and (piece := await anext(stream, b"")):
                    left -= len(piece)


def seconds_for(size):
    return PATIENCE_SECONDS + size / BYTES_A_SECOND
