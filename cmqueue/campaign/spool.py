"""Input that can be read only once, kept to be read twice: in a file without a name.

No other process can open it, and it is gone with this one, also after `kill -9`. It lies where TMPDIR says.
"""

from __future__ import annotations

import shutil
import tempfile
from typing import IO, BinaryIO

PIECE = 1 << 20  #: bytes


def spooled(stream: BinaryIO) -> IO[bytes]:
    """All of `stream`, from its beginning, in a private file."""
    file = tempfile.TemporaryFile(prefix="cmqueue-import-")  # noqa: SIM115 - the caller reads and closes it
    try:
        shutil.copyfileobj(stream, file, PIECE)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file
