"""How float32 values are written: as they are, or byte plane by byte plane."""

from dataclasses import dataclass

import numpy as np

from fedplat.codecs.entropy.places import exactly
from fedplat.codecs.packet import Values


@dataclass(frozen=True, slots=True)
class Float32:
    """Four bytes each, little-endian."""

    def write(self, values: Values) -> bytes:
        return values.astype("<f4", copy=False).tobytes()

    def read(self, payload: memoryview, count: int) -> Values:
        exactly(payload, 4 * count)
        return np.frombuffer(payload, dtype="<f4").astype(np.float32)


@dataclass(frozen=True, slots=True)
class Planes:
    """All lowest bytes, then all second, third and highest ones: signs and exponents together."""

    def write(self, values: Values) -> bytes:
        octets = np.ascontiguousarray(values, dtype="<f4").view(np.uint8)
        return octets.reshape(-1, 4).T.tobytes()

    def read(self, payload: memoryview, count: int) -> Values:
        exactly(payload, 4 * count)
        planes = np.frombuffer(payload, dtype=np.uint8).reshape(4, count)
        octets = np.empty((count, 4), dtype=np.uint8)
        for plane in range(4):
            octets[:, plane] = planes[plane]
        return octets.reshape(-1).view("<f4").astype(np.float32, copy=False)
