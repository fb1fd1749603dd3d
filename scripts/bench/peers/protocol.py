"""What the Python peers share: their job, its files, and the lines that they exchange with the benchmark.

The job is one argument of JSON, described in protocol.ts. A peer loads it, takes its first step on the first batch in
file order, says that it is ready, and then trains for so many seconds whenever a line on stdin asks it to.
"""

import json
import struct
import sys
import time


def read_job():
    if sys.byteorder != "little":
        raise SystemExit("the weights are little-endian, this machine is not")
    return json.loads(sys.argv[1])


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
