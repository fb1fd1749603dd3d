"""Writes a state dict of PyTorch as safetensors files, in four widths of floats, and its values as binary32.

    python3 save.py FOLDER

FOLDER gets F32.safetensors, F64.safetensors, F16.safetensors, BF16.safetensors and for each a .raw file: the
floating-point tensors in state_dict order, as PyTorch converts them to binary32. The format is written by hand
(https://github.com/huggingface/safetensors#format), so that PyTorch alone is needed.
"""

import json
import os
import struct
import sys

import torch
from torch import nn

DTYPES = {"F32": torch.float32, "F64": torch.float64, "F16": torch.float16, "BF16": torch.bfloat16}


def raw(tensor):
    """The bytes of a tensor; NumPy has no bfloat16."""
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.view(torch.int16)
    return tensor.contiguous().numpy().tobytes()


def save(state, name, folder):
    header, data, values = {"__metadata__": {"format": "pt"}}, b"", b""
    for key, tensor in state.items():
        kind = "I64"
        if tensor.is_floating_point():
            kind, tensor = name, tensor.to(DTYPES[name])
            values += raw(tensor.to(torch.float32))
        content = raw(tensor)
        header[key] = {
            "dtype": kind,
            "shape": list(tensor.shape),
            "data_offsets": [len(data), len(data) + len(content)],
        }
        data += content
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(folder, f"{name}.safetensors"), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)
    with open(os.path.join(folder, f"{name}.raw"), "wb") as file:
        file.write(values)


def main(folder):
    torch.manual_seed(20261123)
    model = nn.Sequential(nn.Linear(784, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 10)).double()
    model(torch.rand(32, 784, dtype=torch.float64))  # moves the running statistics
    for name in DTYPES:
        save(model.state_dict(), name, folder)


if __name__ == "__main__":
    main(sys.argv[1])
