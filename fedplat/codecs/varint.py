"""Whole numbers in as few bytes as they need: seven bits a byte, the lowest first (LEB128)."""

from fedplat.errors import CorruptPayloadError

LONGEST = 10  # bytes of a number of 64 bits


def write(number: int) -> bytes:
    """Raises: ValueError, if the number is negative."""
    if number < 0:
        raise ValueError(f"number must be >= 0, got {number}")
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def read(payload: memoryview, *, most: int) -> tuple[int, memoryview]:
    """A number from 0 to `most`, and what follows it.

    Raises: CorruptPayloadError, if it is larger, cut, or written in more bytes than it needs.
    """
    number = 0
    for index, byte in enumerate(payload[:LONGEST]):
        number |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            if number > most:
                raise CorruptPayloadError(reason=f"a number from 0 to {most}, got {number}")
            if index and not byte:
                raise CorruptPayloadError(reason="a number in more bytes than it needs")
            return number, payload[index + 1 :]
    raise CorruptPayloadError(reason="a number without an end")
