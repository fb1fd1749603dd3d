"""What the Python peers share: their job, its files, and the lines that they exchange with the benchmark.

The job is one argument of JSON, described in protocol.ts. A peer loads it, takes its first step on the first batch in
file order, says that it is ready, and then trains for so many seconds whenever a line on stdin asks it to.
"""

import ctypes
import json
import os
import struct
import sys
import time


def read_job():
    if sys.byteorder != "little":
        raise SystemExit("the weights are little-endian, this machine is not")
    return json.loads(sys.argv[1])


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
    if min(int(os.environ.get(name, 1)) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")) > 1:
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
    return f"{text}, {blas}" + ("" if blas_threads == threads else f" with {blas_threads}")


def read_idx(path, samples):
    """The bytes of the first samples of an IDX file, and how many there are of each sample."""
    with open(path, "rb") as file:
        _, _, kind, rank = file.read(4)
        if kind != 8:
            raise SystemExit(f"{path}: got values of type {kind}, expected 8, unsigned bytes")
        count, *shape = struct.unpack(f">{rank}I", file.read(4 * rank))
        if count < samples:
            raise SystemExit(f"{path}: got {count} samples, expected at least {samples}")
        size = 1
        for extent in shape:
            size *= extent
        return bytearray(file.read(samples * size)), size


def read_weights(path):
    """The F32 tensors of a safetensors file, name → (shape, bytes).

    https://github.com/huggingface/safetensors#format
    """
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        if entry["dtype"] == "F32":
            tensors[name] = (entry["shape"], bytearray(data[start:end]))
    return tensors


def serve(ready, train):
    """Says that the peer is ready, then answers every line of stdin with what `train(seconds)` gives, to its end."""
    say({"ready": True, **ready})
    for line in sys.stdin:
        say(train(json.loads(line)["seconds"]))


def timed(take_steps, finish, batch_size, seconds):
    """Trains until the time has passed.

    `take_steps(left)` takes at least one step, not much more than `left` seconds, and returns how many it took;
    `finish()` waits for all that is under way and returns the last loss.
    """
    steps = 0
    start = time.perf_counter()
    left = seconds
    while left > 0:
        steps += take_steps(left)
        left = seconds - (time.perf_counter() - start)
    loss = finish()
    elapsed = time.perf_counter() - start
    return {"samples": steps * batch_size, "seconds": elapsed, "loss": loss, "steps": steps}


def say(message):
    sys.stdout.write(json.dumps(message, allow_nan=False) + "\n")
    sys.stdout.flush()
