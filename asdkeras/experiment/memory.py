"""How much memory is free, and how much a process has, where the system tells."""

import resource
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


def free_mib() -> float | None:
    """Memory that new processes may take, in MiB; None where the system does not tell.

    The less of what the machine has and of what a container is allowed.
    """
    of_machine = _fields(_MEMINFO).get("MemAvailable")
    known = [free for free in (of_machine, _of_container()) if free is not None]
    return min(known) / 2**20 if known else None


def resident_mib(pid: int) -> float:
    """Memory that a process has now, in MiB; 0 if there is no such process."""
    return _fields(Path(f"/proc/{pid}/status")).get("VmRSS", 0) / 2**20


def peak_mib() -> float:
    """The most memory that this process has had so far, in MiB."""
    # Not the resource usage, which begins with what the parent had.
    peak = _fields(Path("/proc/self/status")).get("VmHWM")
    if peak is None:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return peak / 2**20


def _of_container() -> int | None:
    """What the control group leaves; its file cache can be had again."""
    try:
        limit = (_CGROUP / "memory.max").read_text(encoding="ascii").strip()
        used = int((_CGROUP / "memory.current").read_text(encoding="ascii"))
        lines = (_CGROUP / "memory.stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    if limit == "max":
        return None
    stat = dict(line.split() for line in lines)
    return int(limit) - used + int(stat.get("inactive_file", 0)) + int(stat.get("active_file", 0))


def _fields(path: Path) -> dict[str, int]:
    """Name -> bytes of the lines `Name: 12 kB`; empty if there is no such file."""
    try:
        rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return {}
    return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if row[2:] == ["kB"]}
