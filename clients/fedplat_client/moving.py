"""Moves a client's blobs to and from its coordinator, for as long as it takes."""

import asyncio
from collections.abc import Callable

import grpc

from fedplat.errors import FedplatError, ProtocolError
from fedplat.transports.grpc.blob_client import BlobClient, Metadata
from fedplat.transports.grpc.dial import Dialer

FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 15.0  # between attempts to move a blob

Move = Callable[[BlobClient], int]


class Mover:
    """Holds the one channel that blobs travel over.

    `queued` is told the place in the coordinator's queue, `lost` why an attempt was cut and when
    the next begins.
    """

    def __init__(
        self,
        dialer: Dialer,
        metadata: Metadata,
        queued: Callable[[int], None],
        lost: Callable[[FedplatError, float], None],
    ) -> None:
        self._dialer, self._metadata = dialer, metadata
        self._queued, self._lost = queued, lost
        self._where = ""
        self._channel: grpc.Channel | None = None
        self._left: list[grpc.Channel] = []
        self._moving = 0

    def go_to(self, where: str) -> None:
        """From now on blobs are at `where`; the channel to another place is closed."""
        if where == self._where:
            return  # the channel connects again by itself
        if self._channel is not None:
            self._left.append(self._channel)
        self._channel, self._where = self._dialer.data(where), where
        self._close_left()

    async def moved(self, move: Move) -> None:
        """Does `move`; goes on where it was cut, as often as it takes.

        Raises: FedplatError, if no later attempt can succeed.
        """
        wait_s = FIRST_WAIT_S
        while True:
            try:
                await self._attempt(move)
                return
            except FedplatError as error:
                if not error.retryable:
                    raise
                self._lost(error, wait_s)
            await asyncio.sleep(wait_s)
            wait_s = min(LONGEST_WAIT_S, 2 * wait_s)

    def close(self) -> None:
        """Nothing is moved any more."""
        for channel in (*self._left, *([] if self._channel is None else [self._channel])):
            channel.close()
        self._left, self._channel, self._where = [], None, ""

    async def _attempt(self, move: Move) -> None:
        if self._channel is None:
            raise ProtocolError(reason="a blob is due before the welcome says where from")
        client = BlobClient(
            self._channel, self._where, metadata=self._metadata, queued=self._queued
        )
        self._moving += 1
        try:
            await asyncio.to_thread(move, client)
        finally:
            self._moving -= 1
            self._close_left()

    def _close_left(self) -> None:
        """Closes what nobody uses: a channel closed under a call would fail it in odd words."""
        while self._left and not self._moving:
            self._left.pop().close()
