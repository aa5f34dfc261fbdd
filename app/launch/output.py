"""The lines of several processes in one terminal, each behind the name of its process."""

import codecs
from typing import TextIO

# Cyan, yellow, green, magenta, blue: red is left for what went wrong.
_COLOURS = ("36", "33", "32", "35", "34")


class Output:
    """Writes whole lines to one stream. Coloured only on a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._colours: dict[str, str] = {}
        self._width = 6

    def line(self, name: str, text: str) -> None:
        """Writes ``text`` behind ``name``."""
        self._width = max(self._width, len(name))
        label = f"{name:<{self._width}} |"
        if self._is_terminal:
            colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
            label = f"\x1b[{colour}m{label}\x1b[0m"
        self._write(f"{label} {text}\n")

    def block(self, text: str) -> None:
        """Writes ``text`` as it is, for what is meant for the reader and not for the log."""
        self._write(f"{text}\n")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            # The reader has gone (`bin/run | head`): the processes go on without an audience.
            self._is_terminal = False


class Lines:
    """Cuts the bytes of one process into lines and writes them to an Output."""

    def __init__(self, output: Output, name: str) -> None:
        self._output = output
        self._name = name
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._rest = ""

    def feed(self, data: bytes) -> None:
        """Takes what was read; empty ``data`` is the end."""
        *lines, self._rest = (self._rest + self._decoder.decode(data, final=not data)).split("\n")
        if not data and self._rest:
            lines.append(self._rest)
        for line in lines:
            self._output.line(self._name, line.rstrip("\r"))
