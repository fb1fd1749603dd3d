"""Which BLAS a Python library computes with, and what that needs to be as fast as it can."""

import ctypes
import os
import sys


def settle_blas():
    """The name of the BLAS that is loaded, or None; to be called once the library is imported, before it computes.

    Starts this program anew where that BLAS needs variables in the environment to be as fast as it can.
    """
    name, path = find_blas()
    if name != "OpenBLAS":
        return name
    wanted = {}
    flags = read_cpu_flags()
    if core_of(path) in MISTAKEN_CORES and "avx2" in flags:
        wanted["OPENBLAS_CORETYPE"] = "SkylakeX" if AVX512 <= flags else "Haswell"
    threads = [int(os.environ.get(variable, 1)) for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")]
    if min(threads) > 1:
        # Its threads and the library's are not the same ones; those that wait must leave the core to the others.
        wanted["OMP_WAIT_POLICY"] = "PASSIVE"
    if any(variable not in os.environ for variable in wanted):
        os.execve(sys.executable, [sys.executable, "-B", *sys.argv], {**wanted, **os.environ})
    return name


def advice_on(blas):
    if blas != "the reference BLAS":
        return None
    return "it computes by the reference BLAS, many times slower than others: apt install libopenblas0"


MISTAKEN_CORES = {"Prescott", "Nehalem", "Sandybridge"}
"""What an OpenBLAS takes a processor for that is newer than itself."""

AVX512 = {"avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512cd"}


def find_blas():
    """Name and path of the BLAS among the libraries of this process; (None, None) if there is none to be seen."""
    try:
        with open("/proc/self/maps", encoding="utf-8") as file:
            paths = {line.split(maxsplit=5)[-1].strip() for line in file if "/" in line}
    except OSError:
        return None, None
    names = {
        "openblas": "OpenBLAS",
        "libmkl": "MKL",
        "libblis": "BLIS",
        "atlas": "ATLAS",
        "libblas.so": "the reference BLAS",
    }
    for part, name in names.items():
        for path in sorted(paths):
            if part in os.path.basename(path):
                return name, path
    return None, None


def core_of(path):
    """For which processor an OpenBLAS has chosen its kernels."""
    library = ctypes.CDLL(path)
    for prefix in ("", "scipy_"):
        for suffix in ("", "64_", "_64"):
            function = getattr(library, f"{prefix}openblas_get_corename{suffix}", None)
            if function is not None:
                function.restype = ctypes.c_char_p
                return function().decode()
    return None


def read_cpu_flags():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("flags"):
                return set(line.split(":")[1].split())
    return set()


def describe(job, blas):
    """The settings of one process, in words."""
    threads, blas_threads = job["threads"], job["blasThreads"]
    text = f"{threads} thread{'' if threads == 1 else 's'}"
    if blas is None:
        return text
    has_threads = blas in ("OpenBLAS", "BLIS")
    return f"{text}, {blas}" + (f" with {blas_threads}" if has_threads and blas_threads != threads else "")
