"""Put the checkout on its virtual environment's path, and `cmqueue`, the command and its version, into it.

An editable install would do the same, but needs a build backend from outside the lock file.
"""

import shutil
import sysconfig
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMAND = """#!{python}
import sys

from cmqueue.cli import main

sys.exit(main())
"""

#: The programs are a distribution of their own beside the library: so `cmqueue` finds what they add to it.
PROGRAMS = "cmqueue_programs"
ENTRY_POINTS = """\
[cmqueue.doctor]
worker = worker.doctor:checks
"""


def link() -> None:
    """Write them for the Python that runs this. Repeating it changes nothing."""
    packages, scripts = Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("scripts"))
    (packages / "cmqueue-checkout.pth").write_text(f"{ROOT}\n")
    command = scripts / "cmqueue"
    command.write_text(COMMAND.format(python=scripts / "python"))
    command.chmod(0o755)
    _register(packages)


def _register(packages: Path) -> None:
    """What `importlib.metadata` reads: versions and entry points. Of an older version nothing stays."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for name in ("cmqueue", PROGRAMS):
        for old in packages.glob(f"{name}-*.dist-info"):
            shutil.rmtree(old)
        told = packages / f"{name}-{version}.dist-info"
        told.mkdir()
        (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (told / "INSTALLER").write_text("deploy/link_checkout.py\n")
        if name == PROGRAMS:
            (told / "entry_points.txt").write_text(ENTRY_POINTS)


if __name__ == "__main__":
    link()
