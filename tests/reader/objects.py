"""Who may write, and the envelope of what they wrote in order.

`src/certificate.rs`, `src/sign.rs`, `src/object.rs`.
"""

from dataclasses import dataclass

from blake3 import blake3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ids import meta
from keys import Forest
from refused import Refused
from seal import Kind, opened, place

SIGNATURE = 64


def signed(data: bytes, key: bytes, what: str) -> bytes:
    """The bytes before the signature at the end, which `key` must have made of them as a `what`."""
    body, signature = data[:-SIGNATURE], data[-SIGNATURE:]
    message = f"tenure v1 {what}".encode() + b"\0" + body
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise Refused(f"the {what} is not signed by the key that should have signed it") from error
    return body


def begins(data: bytes, magic: bytes, version: int, least: int) -> None:
    """That an object is of this kind and version, and long enough for what it must have."""
    if len(data) < least or data[:8] != magic:
        raise Refused(f"not a {magic.decode()} object")
    if data[8] != version:
        raise Refused(f"a {magic.decode()} object of version {data[8]}, which is not known here")


@dataclass(frozen=True)
class Writer:
    """An incarnation, and the key that its objects are signed with."""

    repo: bytes
    inc: bytes
    ordinal: int
    verify: bytes


def certificate(data: bytes, fingerprint: bytes) -> Writer:
    """Reads `writer/<incarnation>`, which the root with this fingerprint must have signed."""
    begins(data, b"tenureWR", 1, 133)
    if len(data) != 133:
        raise Refused("a certificate of another length")
    body = signed(data, fingerprint, "writer")
    return Writer(body[9:25], body[25:33], int.from_bytes(body[33:37], "big"), body[37:69])


@dataclass(frozen=True)
class Chain:
    """One of the two kinds of numbered objects."""

    folder: str
    magic: bytes
    word: str
    kind: Kind

    def path(self, inc: bytes, number: int) -> str:
        """The place of one in a store."""
        return f"{self.folder}/{inc.hex()}/{number:010}"


MANIFESTS = Chain("snapshots", b"tenureMF", "manifest", Kind.MANIFEST)
JOURNAL = Chain("journal", b"tenureJN", "journal", Kind.JOURNAL)


@dataclass(frozen=True)
class Numbered:
    """A numbered object: its plain body, its hash, and that of the one before."""

    body: bytes
    hash: bytes
    previous: bytes


def numbered(chain: Chain, writer: Writer, number: int, data: bytes, forest: Forest) -> Numbered:
    """Reads what should be number `number` of a writer's chain."""
    begins(data, chain.magic, 1, 89 + SIGNATURE)
    head = signed(data, writer.verify, chain.word)
    if head[9:41] != writer.repo + writer.inc + number.to_bytes(8, "big"):
        raise Refused("it stands where another should")
    salt, sealed = head[73:89], head[89:]
    key = forest.own(meta(writer.inc)).field_key(salt, chain.word.encode())
    body = opened(key, place(writer.repo, chain.kind, number, writer.inc), sealed)
    return Numbered(body, blake3(data).digest(), head[41:73])
