"""PyTorch as a peer: in one process with so many threads, or by DistributedDataParallel with so many processes.

With processes, each has one thread and an equal part of every batch, over which its batch norm computes its moments.
"""

import os
import tempfile
import threading
import time
from datetime import timedelta

import torch
import torch.distributed as dist
from blas import advice_on, describe, settle_blas
from protocol import read_idx, read_job, read_weights, serve, timed
from torch import nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

CHUNK_SECONDS = 0.05
"""How often several processes agree on going on; one broadcast in so much time is no burden."""

IDLE = timedelta(days=1)
"""Until the next turn, however long others take; a rank whose parent is gone ends by itself."""


def make_model(job):
    weights = read_weights(job["weights"])
    layers = []
    for index, layer in enumerate(job["layers"]):
        kind = layer["kind"]
        if kind == "dense":
            outputs, inputs = weights[f"{index}.weight"][0]
            layers.append(nn.Linear(inputs, outputs))
        elif kind == "batchnorm":
            # PyTorch's momentum is the share of the new, the job's the share of the old.
            (size,) = weights[f"{index}.weight"][0]
            layers.append(nn.BatchNorm1d(size, eps=layer["epsilon"], momentum=1 - layer["momentum"]))
        else:
            layers.append({"sigmoid": nn.Sigmoid, "relu": nn.ReLU, "tanh": nn.Tanh}[kind]())
    model = nn.Sequential(*layers)
    state = {
        name: torch.frombuffer(data, dtype=torch.float32).reshape(shape)
        for name, (shape, data) in weights.items()
    }
    state.update({name: value for name, value in model.state_dict().items() if name.endswith("_tracked")})
    model.load_state_dict(state, strict=True)
    return model.train()


class Trainer:
    """What one process has: the whole data set, a model, and its part of every batch."""

    def __init__(self, job, rank=0, ranks=1):
        n, scale = job["samples"], job["scale"]
        pixels, features = read_idx(job["images"], n)
        images = torch.frombuffer(pixels, dtype=torch.uint8).reshape(n, features)
        self.images = images.float().div_(255).sub_(scale["mean"]).mul_(scale["factor"])
        self.labels = torch.frombuffer(read_idx(job["labels"], n)[0], dtype=torch.uint8).long()
        self.batch_size = job["batchSize"]
        size = self.batch_size // ranks
        self.part = slice(rank * size, (rank + 1) * size)

        self.model = make_model(job)
        if ranks > 1:
            self.model = DistributedDataParallel(self.model, broadcast_buffers=False, gradient_as_bucket_view=True)
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), lr=job["learningRate"], momentum=job["momentum"]
        )
        # The same seed everywhere, so that all processes shuffle alike.
        self.random = torch.Generator().manual_seed(0)
        self.batches = iter([torch.arange(self.batch_size)])
        self.step()
        self.first = self.loss

    def next_batch(self):
        index = next(self.batches, None)
        if index is None:
            order = torch.randperm(len(self.images), generator=self.random)
            self.batches = iter(order.split(self.batch_size))
            index = next(self.batches)
        return index[self.part]

    def step(self):
        index = self.next_batch()
        loss = functional.cross_entropy(self.model(self.images[index]), self.labels[index])
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.loss = loss.detach()

    def steps(self, count):
        for _ in range(count):
            self.step()


def train_alone(job, blas):
    torch.set_num_threads(job["threads"])
    trainer = Trainer(job)

    def take_steps(_):
        trainer.step()
        return 1

    ready = {
        "version": torch.__version__,
        "settings": describe(job, blas),
        "firstLoss": trainer.first.item(),
        "advice": advice_on(blas),
    }
    serve(
        ready,
        lambda seconds: timed(take_steps, lambda: trainer.loss.item(), trainer.batch_size, seconds),
    )


def mean_over_ranks(value, ranks):
    total = value.clone()
    dist.all_reduce(total)
    return total.item() / ranks


def join(job, rank, meeting):
    ranks = job["processes"]
    torch.set_num_threads(1)
    # A file to meet at, so no port is taken that another program wants.
    dist.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=ranks, timeout=IDLE
    )
    trainer = Trainer(job, rank, ranks)
    return trainer, mean_over_ranks(trainer.first, ranks)


def follow(job, rank, meeting):
    """A rank beside the first: takes as many steps as the first one says, until that is gone."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    trainer, _ = join(job, rank, meeting)
    count = torch.zeros(1, dtype=torch.int64)
    while True:
        try:
            dist.broadcast(count, 0)
        except RuntimeError:
            os._exit(0)  # the first one has ended, and the connection with it
        if count.item() == 0:
            mean_over_ranks(trainer.loss, job["processes"])
        else:
            trainer.steps(count.item())


def end_with_parent():
    """However the parent ended, also while the ranks still look for each other."""
    torch.multiprocessing.parent_process().join()
    os._exit(0)


def check_gloo():
    if not dist.is_available():
        raise SystemExit("this PyTorch has no torch.distributed; install one that is built with it")
    # Older ones do not say.
    if not getattr(dist, "is_gloo_available", lambda: True)():
        raise SystemExit("this PyTorch's torch.distributed has no Gloo; install one that is built with it")


def train_together(job, blas):
    """The first rank: it keeps the time and tells the others how many steps come next."""
    check_gloo()
    ranks = job["processes"]
    if job["batchSize"] % ranks != 0:
        raise SystemExit(f"a batch of {job['batchSize']} cannot be split evenly among {ranks} processes")
    if os.path.exists("/proc/self"):
        # All are on this machine, whose own name may not lead to it.
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    context = torch.multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="lockstep-peer-") as folder:
        meeting = os.path.join(folder, "meeting")
        for rank in range(1, ranks):
            context.Process(target=follow, args=(job, rank, meeting), daemon=True).start()
        trainer, first = join(job, 0, meeting)

    step_seconds = CHUNK_SECONDS

    def take_steps(left):
        nonlocal step_seconds
        count = max(1, int(min(left, CHUNK_SECONDS) / step_seconds))
        start = time.perf_counter()
        dist.broadcast(torch.tensor([count]), 0)
        trainer.steps(count)
        step_seconds = (time.perf_counter() - start) / count
        return count

    def finish():
        dist.broadcast(torch.tensor([0]), 0)
        return mean_over_ranks(trainer.loss, ranks)

    ready = {
        "version": torch.__version__,
        "settings": f"DistributedDataParallel, Gloo, {ranks} processes of {describe(job, blas)}, each with "
        f"{job['batchSize'] // ranks} of the batch's {job['batchSize']} samples and batch norm over these",
        "firstLoss": first,
        "advice": advice_on(blas),
    }
    serve(ready, lambda seconds: timed(take_steps, finish, trainer.batch_size, seconds))


if __name__ == "__main__":
    the_job = read_job()
    the_blas = settle_blas() or ("MKL" if torch.backends.mkl.is_available() else None)
    if the_job["processes"] > 1:
        train_together(the_job, the_blas)
    else:
        train_alone(the_job, the_blas)
