"""What the benchmarks say of the machine they ran on."""
import platform
import resource
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def cpu_name():
    "The processor's name; no names of places."
    try: return next(line.split(':')[1].strip() for line in Path('/proc/cpuinfo').read_text().splitlines() if line.startswith('model name'))
    except (OSError, StopIteration): return platform.processor() or platform.machine()


def versions(*packages):
    "Of those that are installed."
    found = {}
    for p in packages:
        try: found[p] = version(p)
        except PackageNotFoundError: pass
    return found


def peak_mb():
    "Most memory that this process has held. Linux counts the parent's in `getrusage`, so its own table is asked where there is one."
    try: return int(next(line.split()[1] for line in Path('/proc/self/status').read_text().splitlines() if line.startswith('VmHWM')))/1024
    except (OSError, StopIteration): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1024
