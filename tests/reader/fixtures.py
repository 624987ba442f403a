"""Reads the formats' bad fixtures: tells, as JSON, why each is refused; null where it is not."""

import json
import sys
from pathlib import Path

from blake3 import blake3

from journal import Journal
from keyring import decrypted, keyring
from keys import Forest
from manifest import manifest
from objects import JOURNAL, MANIFESTS, certificate, numbered
from pages import Page
from pieces import rows
from reader import fingerprint_in
from refused import Refused
from store import Store


KINDS = (
    "certificate/*",
    "journal/*",
    "keyring/*.age",
    "keyring/*.bin",
    "manifest/*",
    "page/*",
    "piece/*",
)
"""What is read by itself: neither the host's copies of keyrings, nor packs without their pages."""


class Objects(Store):
    """A store of objects that are at hand."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self._objects = objects

    def read(self, path: str) -> bytes:
        return self._objects[path]

    def names(self, folder: str) -> list[str]:
        inside = (path.removeprefix(f"{folder}/") for path in self._objects)
        return sorted(name for name in inside if "/" not in name)


class Fixtures:
    """What reads them: the root, the writer and the keyring of version 1."""

    def __init__(self, good: Path) -> None:
        self.good = good
        self.identity = good / "TEST-KEY-recovery-identity.txt"
        self.root = fingerprint_in(self.identity.read_text())
        self.writer = certificate((good / "certificate/writer.bin").read_bytes(), self.root)
        self.forest = self._keyring((good / "keyring/keyring.bin").read_bytes())

    def _keyring(self, data: bytes) -> Forest:
        return keyring(data, self.writer, 5, self.root).forest

    def read(self, path: Path, good: Path) -> None:
        """Reads one as what it pretends to be."""
        data = path.read_bytes()
        match path.parent.name:
            case "certificate":
                certificate(data, self.root)
            case "keyring":
                is_age = path.suffix == ".age"
                self._keyring(decrypted(data, self.identity) if is_age else data)
            case "journal":
                first = (self.good / "journal/1-opened.bin").read_bytes()
                paths = [JOURNAL.path(self.writer.inc, number) for number in (1, 2)]
                objects = Objects(dict(zip(paths, (first, data))))
                Journal.read(objects, self.writer, self.forest)
            case "manifest":
                manifest(numbered(MANIFESTS, self.writer, 1, data, self.forest).body)
            case "page":
                named = good / "page/full.bin" if path.stem == "wrong-name" else path
                name = blake3(named.read_bytes()).digest()
                objects = Objects({f"pages/{name.hex()}": data})
                page = objects.named("pages", name, len(data))
                list(Page(self.writer.repo, page, self.forest).entries())
            case "piece":
                list(rows([data]))


def main(root: Path) -> None:
    """Tells of every bad fixture of every version."""
    fixtures = Fixtures(root / "v1/good")
    told: dict[str, str | None] = {}
    for path in sorted(path for kind in KINDS for path in root.glob(f"v*/bad/{kind}")):
        name = str(path.relative_to(root))
        try:
            fixtures.read(path, root / path.relative_to(root).parts[0] / "good")
            told[name] = None
        except Refused as why:
            told[name] = str(why)
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
