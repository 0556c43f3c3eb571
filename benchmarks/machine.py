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


def vector_instructions():
    "Those that decide how fast a network runs, as Linux names them; empty on other systems."
    from blood_cell_cancer.core.machine import processor_flags
    return ' '.join(sorted(f for f in processor_flags() if f in ('avx', 'avx2', 'avx512f', 'avx_vnni', 'avx512_vnni', 'avx512_bf16', 'amx_bf16', 'amx_int8', 'asimd', 'asimddp', 'bf16', 'i8mm', 'sve')))
