"""Decrypts, then decompresses (`src/seal.rs`, `src/seal/frame.rs`)."""

from enum import IntEnum

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from refused import Refused

MOST = 256 << 20
"""The longest plain text of one frame."""


class Kind(IntEnum):
    """What is sealed."""

    BLOB = 1
    CONTENTS = 2
    BLOCK = 3
    INDEX = 4
    CUSTOMER_ID = 5
    MANIFEST = 6
    JOURNAL = 7
    REFERENCE = 8


def place(repo: bytes, kind: Kind, number: int, field: bytes = b"") -> bytes:
    """The associated data of one sealing: what is sealed, and where it stands."""
    return repo + bytes([kind]) + number.to_bytes(8, "big") + field


def opened(
    key: bytes,
    where: bytes,
    sealed: bytes,
    dictionary: zstandard.ZstdCompressionDict | None = None,
) -> bytes:
    """The plain bytes of what was sealed there under a key."""
    try:
        frame = AESGCM(key).decrypt(bytes(12), sealed, where)
    except (InvalidTag, ValueError) as error:
        raise Refused("it does not open: its bytes are not those that were sealed there") from error
    return _plain(frame, dictionary)


def _plain(frame: bytes, dictionary: zstandard.ZstdCompressionDict | None) -> bytes:
    codec = frame[0] if frame else None
    if codec == 3:
        return frame[1:]
    if codec not in (0, 1, 2):
        raise Refused(f"a frame by codec {codec}: a later version has sealed it")
    head = 3 if codec == 2 else 5
    length, body = int.from_bytes(frame[1:head], "little"), frame[head:]
    if len(frame) < head or length > MOST:
        raise Refused("a frame that is too short or too long")
    if codec == 1:
        body = _decompressed(zstandard.ZstdDecompressor(), body, length)
    elif codec == 2:
        if dictionary is None:
            raise Refused("a frame that needs a dictionary, in a pack that has none")
        short = zstandard.FORMAT_ZSTD1_MAGICLESS
        body = _decompressed(zstandard.ZstdDecompressor(dictionary, format=short), body, length)
    if len(body) != length:
        raise Refused("a frame of another length than it says")
    return body


def _decompressed(by: zstandard.ZstdDecompressor, body: bytes, length: int) -> bytes:
    """Room is made for what the frame is to be and one byte more, whatever Zstandard says."""
    try:
        return by.stream_reader(body, read_across_frames=True).read(length + 1)
    except zstandard.ZstdError as error:
        raise Refused("a frame that does not decompress") from error
