"""Trains a network with PyTorch as one JSON file says, for comparison with the project's own training.

    python3 train.py JOB.json

The job (judge.ts writes it):
    layers        [{kind, ...options}] in order, as in test/helpers/reference/layers.ts
    initial       path of a safetensors file, named as the nn.Sequential of the layers names its tensors
    inputs        path of the samples: raw little-endian binary32 (samples, features), scaled
    labels        path of the labels: one byte each
    features, batchSize, steps
    batchNorm     'sync', or 'ghost' with shardSize
    learningRate, momentum, nesterov, weightDecay
    dtype         'float32' or 'float64': of the parameters and of all arithmetic
    output        path for the final floating-point tensors: raw, of that dtype, in state_dict order

Batches are consecutive, the last one short; after it they start again at the first sample.
Prints one line of JSON: {torch, losses, evaluation: {loss, correct}, tensors: [{name, shape}]}. Losses are of
the steps' batches, before the update; the evaluation is of all samples, after the last step.
"""

import json
import struct
import sys

import torch
from torch import nn


class Affine(nn.Module):
    """y = slope * x + intercept, both constants."""

    def __init__(self, slope, intercept):
        super().__init__()
        self.slope, self.intercept = slope, intercept

    def forward(self, x):
        return self.slope * x + self.intercept


class GroupedBatchNorm(nn.BatchNorm1d):
    """BatchNorm1d with what it has not: a group a shard, a biased running variance, groups of one sample.

    Forward is spelled out, backward is autograd's. The running statistics are those of the whole batch.
    """

    def __init__(self, features, eps, momentum, shard_size, unbiased):
        super().__init__(features, eps=eps, momentum=momentum)
        self.shard_size, self.unbiased = shard_size, unbiased

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        count = x.shape[0]
        with torch.no_grad():
            factor = count / (count - 1) if self.unbiased and count > 1 else 1
            self.num_batches_tracked += 1
            self.running_mean.lerp_(x.mean(0), self.momentum)
            self.running_var.lerp_(x.var(0, unbiased=False) * factor, self.momentum)
        groups = [
            (group - group.mean(0)) / torch.sqrt(group.var(0, unbiased=False) + self.eps)
            for group in x.split(self.shard_size or count)
        ]
        return torch.cat(groups) * self.weight + self.bias


def make_layer(layer, job):
    kind = layer["kind"]
    if kind == "dense":
        return nn.Linear(layer["inputs"], layer["outputs"])
    if kind == "batchnorm":
        # PyTorch's momentum is the share of the new, ours the share of the old.
        size, eps, momentum = layer["features"], layer["epsilon"], 1 - layer["momentum"]
        if layer["unbiased"] and job["batchNorm"] == "sync":
            return nn.BatchNorm1d(size, eps=eps, momentum=momentum)
        shard_size = job["shardSize"] if job["batchNorm"] == "ghost" else None
        return GroupedBatchNorm(size, eps, momentum, shard_size, layer["unbiased"])
    if kind == "affine":
        return Affine(layer["slope"], layer["intercept"])
    return {"sigmoid": nn.Sigmoid, "relu": nn.ReLU, "tanh": nn.Tanh}[kind]()


def read_safetensors(path):
    """A safetensors file as {name: tensor}: 8 bytes of header length, a JSON header, the data.

    https://github.com/huggingface/safetensors#format
    """
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    header.pop("__metadata__", None)
    dtypes = {"F32": torch.float32, "F64": torch.float64, "I64": torch.int64}
    tensors = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        values = torch.frombuffer(bytearray(data[start:end]), dtype=dtypes[entry["dtype"]])
        tensors[name] = values.reshape(entry["shape"]).clone()
    return tensors


def main(job):
    if sys.byteorder != "little":
        raise SystemExit("the files are little-endian, this machine is not")
    torch.set_num_threads(1)
    dtype = {"float32": torch.float32, "float64": torch.float64}[job["dtype"]]

    model = nn.Sequential(*[make_layer(layer, job) for layer in job["layers"]]).to(dtype)
    model.load_state_dict(read_safetensors(job["initial"]), strict=True)
    with open(job["inputs"], "rb") as file:
        values = torch.frombuffer(bytearray(file.read()), dtype=torch.float32)
    x = values.reshape(-1, job["features"]).to(dtype)
    with open(job["labels"], "rb") as file:
        labels = torch.frombuffer(bytearray(file.read()), dtype=torch.uint8).long()
    if len(x) != len(labels):
        raise SystemExit(f"got {len(x)} samples and {len(labels)} labels")

    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=job["learningRate"],
        momentum=job["momentum"],
        nesterov=job["nesterov"],
        weight_decay=job["weightDecay"],
    )
    batches = list(zip(x.split(job["batchSize"]), labels.split(job["batchSize"])))
    losses = []
    model.train()
    for step in range(job["steps"]):
        batch, wanted = batches[step % len(batches)]
        optimizer.zero_grad()
        loss = criterion(model(batch), wanted)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    model.eval()
    with torch.no_grad():
        logits = model(x)
        evaluation = {
            "loss": criterion(logits, labels).item(),
            "correct": int((logits.argmax(1) == labels).sum()),
        }

    tensors = {name: value for name, value in model.state_dict().items() if value.is_floating_point()}
    with open(job["output"], "wb") as file:
        for value in tensors.values():
            file.write(value.contiguous().numpy().tobytes())
    result = {
        "torch": torch.__version__,
        "losses": losses,
        "evaluation": evaluation,
        "tensors": [{"name": name, "shape": list(value.shape)} for name, value in tensors.items()],
    }
    print(json.dumps(result, allow_nan=False))


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        main(json.load(file))
