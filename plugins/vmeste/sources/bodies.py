"""How much a server may answer: a body is read piece by piece and given up where it is longer than any answer is.

A body that does not end would fill the memory of the machine on which all other sources are read too. What is counted
is what remains after decompression, since a small body can be a large one.
"""

from __future__ import annotations

import http.client
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vmeste.sources.errors import AnswerNotUnderstood, AnswerTooLarge

if TYPE_CHECKING:
    import httpx
    import requests

LARGEST_MB = 200
"""Of one answer: a page of 1000 submissions has about one; the export of a million of twelve fields has 230."""

LONGEST = 900.0
"""Seconds that one body may take, however little of it comes at a time."""

PIECE = 65536  # bytes


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a body may have: ``largest`` bytes within ``longest`` seconds."""

    largest: int = LARGEST_MB * 1024**2
    longest: float = LONGEST
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def of(cls, megabytes: int) -> Bounds:
        """Return the bounds of a source as sources.yml has them."""
        return cls(megabytes * 1024**2)

    def whole(self, pieces: Iterable[bytes], place: str) -> bytes:
        """Join the pieces of a body.

        Args:
            pieces: decompressed, each much smaller than the whole may be.
            place: the source and the form, for the message.

        Raises:
            AnswerTooLarge: there are too many, or they do not end.
        """
        body = bytearray()
        ends_at = self.clock() + self.longest
        for piece in pieces:
            body += piece
            if len(body) > self.largest:
                raise AnswerTooLarge(
                    f"{place}: the server's answer has more than {self.largest / 1024**2:,.0f} MB and was not read "
                    "on. Look what stands at the server's address. If the form is so large, give this source more in "
                    "sources.yml: largest_answer_mb"
                )
            if self.clock() > ends_at:
                raise AnswerTooLarge(
                    f"{place}: the server's answer did not end within {self.longest / 60:.0f} minutes and was not "
                    "read on. Look what stands at the server's address, and at the network before it"
                )
        return bytes(body)

    def of_requests(self, response: requests.Response, place: str) -> None:
        """Read the body of a response that was asked for with ``stream``; it is in ``content`` from then on.

        Raises:
            AnswerTooLarge: it is longer than it may be.
        """
        try:
            response._content = self.whole(response.iter_content(PIECE), place)
        finally:
            response.close()

    def of_httpx(self, client: httpx.Client, address: str, place: str) -> httpx.Response:
        """Ask for an address and read the body; it is in ``content``.

        Raises:
            AnswerTooLarge: it is longer than it may be.
            AnswerNotUnderstood: it is compressed more than once, each time of which may make a thousand bytes of one.
        """
        import httpx

        with client.stream("GET", address) as response:
            if "," in response.headers.get("Content-Encoding", ""):
                raise AnswerNotUnderstood(
                    f"{place}: the server compresses its answer more than once. Look at the proxies before it"
                )
            body = self.whole(response.iter_bytes(), place)
        headers = [(name, value) for name, value in response.headers.multi_items() if name != "content-encoding"]
        return httpx.Response(response.status_code, headers=headers, content=body, request=response.request)

    def of_http_client(self, place: str) -> type[http.client.HTTPResponse]:
        """Return a response class for connections of ``http.client`` whose ``read`` keeps to these bounds.

        Its ``read`` decompresses what is compressed, so that whoever reads it does not.
        """
        bounds = self

        class Response(http.client.HTTPResponse):
            def read(self, amt: int | None = None) -> bytes:
                if amt is not None:
                    return super().read(amt)
                body = bounds.whole(_unpacked(self._pieces(), self.headers.get("Content-Encoding", "")), place)
                del self.headers["Content-Encoding"], self.headers["Content-Length"]
                return body

            def _pieces(self) -> Iterator[bytes]:
                while piece := super().read(PIECE):
                    yield piece
                if self.length:  # announced and never sent: by pieces nobody else would notice
                    raise http.client.IncompleteRead(b"", self.length)

        return Response


USUAL = Bounds()


def _unpacked(pieces: Iterable[bytes], coding: str) -> Iterator[bytes]:
    """Decompress a body by pieces of at most ``PIECE`` bytes.

    Raises:
        http.client.HTTPException: it is cut, or compressed otherwise than it says.
    """
    if coding.lower() not in ("gzip", "deflate"):
        yield from pieces
        return
    unpacking: Any = zlib.decompressobj(zlib.MAX_WBITS | 32)  # finds out by itself which of the two it is
    try:
        for piece in pieces:
            yield unpacking.decompress(piece, PIECE)
            while unpacking.unconsumed_tail:
                yield unpacking.decompress(unpacking.unconsumed_tail, PIECE)
    except zlib.error:
        raise http.client.HTTPException("not compressed as it says") from None
    if not unpacking.eof:
        raise http.client.IncompleteRead(b"")
