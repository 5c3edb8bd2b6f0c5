"""Put the checkout on its virtual environment's path and the `cmqueue` command into its bin.

An editable install would do the same, but needs a build backend from outside the lock file.
"""

import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMAND = """#!{python}
import sys

from cmqueue.cli import main

sys.exit(main())
"""


def link() -> None:
    (Path(sysconfig.get_path("purelib")) / "cmqueue-checkout.pth").write_text(f"{ROOT}\n")
    scripts = Path(sysconfig.get_path("scripts"))
    command = scripts / "cmqueue"
    command.write_text(COMMAND.format(python=scripts / "python"))
    command.chmod(0o755)


if __name__ == "__main__":
    link()
