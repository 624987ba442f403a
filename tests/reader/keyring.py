"""The only secret that decides what can be read (`src/keyring/file.rs`)."""

import subprocess
from pathlib import Path
from typing import NamedTuple

import cbor
from cbor import many
from journal import Position, position
from keys import NODE, Forest, Tree
from objects import Writer, begins, signed
from refused import Refused


class Keyring(NamedTuple):
    """A keyring as of one epoch."""

    journal: list[Position]
    forest: Forest


def decrypted(data: bytes, identity: Path) -> bytes:
    """What an age file holds that one of the identities opens."""
    age = ["age", "--decrypt", "--identity", str(identity)]
    done = subprocess.run(age, input=data, capture_output=True, check=False)
    if done.returncode:
        told = done.stderr.decode(errors="replace").partition("\n")[0]
        raise Refused(f"it does not open: {told}")
    return done.stdout


def keyring(data: bytes, writer: Writer, epoch: int, fingerprint: bytes) -> Keyring:
    """Reads a keyring's bytes, which should be those of a writer's epoch."""
    begins(data, b"tenureKR", 1, 73)
    body = signed(data, writer.verify, "keyring")
    if body[9:41] != writer.repo + writer.inc + epoch.to_bytes(8, "big"):
        raise Refused("it stands where another should")
    if body[41:73] != fingerprint:
        raise Refused("it is of another root")
    cursor = _Cursor(body, 73)
    positions = many(position)(cbor.one(cursor.take(cursor.length())))
    trees: dict[bytes, Tree] = {}
    for _ in range(cursor.length()):
        inc = cursor.take(8)
        if trees and inc <= max(trees):
            raise Refused("its trees do not ascend")
        trees[inc] = Tree.read(cursor.take(cursor.length() * NODE))
    cursor.finish()
    return Keyring(positions, Forest(trees))


class _Cursor:
    """Takes bytes one after the other."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at

    def take(self, length: int) -> bytes:
        """The next bytes."""
        self._at += length
        if self._at > len(self._data):
            raise Refused("it is shorter than it says")
        return self._data[self._at - length : self._at]

    def length(self) -> int:
        """A number of 4 bytes, big endian."""
        return int.from_bytes(self.take(4), "big")

    def finish(self) -> None:
        """That nothing is left over."""
        if self._at != len(self._data):
            raise Refused("it is longer than it says")
