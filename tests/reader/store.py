"""A store in a local directory: objects by path."""

from pathlib import Path

from blake3 import blake3

from refused import Refused


class Store:
    """Reads objects, and lists them."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, path: str) -> bytes:
        """An object's bytes."""
        try:
            return (self._root / path).read_bytes()
        except OSError as error:
            raise Refused(f"{path} cannot be read: {error.strerror}") from error

    def named(self, folder: str, name: bytes, size: int) -> bytes:
        """A pack or a page, whose name is the BLAKE3 of its bytes."""
        path = f"{folder}/{name.hex()}"
        data = self.read(path)
        if len(data) != size or blake3(data).digest() != name:
            raise Refused(f"{path} is damaged: its bytes are not those of its name")
        return data

    def names(self, folder: str) -> list[str]:
        """The names in a folder, sorted; none where it is not there."""
        try:
            return sorted(entry.name for entry in (self._root / folder).iterdir())
        except FileNotFoundError:
            return []

    def numbers(self, folder: str, suffix: str = "") -> list[int]:
        """The numbers, of ten digits, that objects in a folder are called by, ascending."""
        names = (name.removesuffix(suffix) for name in self.names(folder) if name.endswith(suffix))
        return sorted(int(name) for name in names if len(name) == 10 and name.isdecimal())
