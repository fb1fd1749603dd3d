"""NumPy as a peer: the step written by hand over arrays, as one does who knows NumPy.

No array is made in a step but small ones; parameters and gradients lie in one vector each, so that the update is one
operation. Threads are those of the BLAS that NumPy calls; the launcher sets them by the environment.
"""

import numpy as np
from blas import advice_on, describe, settle_blas
from protocol import read_idx, read_job, read_weights, serve, timed


class Dense:
    def __init__(self, values, batch_size):
        outputs, inputs = values["weight"].shape
        self.initial = [values["weight"].T, values["bias"]]
        self.y = np.empty((batch_size, outputs), np.float32)
        self.dx = np.empty((batch_size, inputs), np.float32)

    def forward(self, x):
        self.x = x
        np.matmul(x, self.params[0], out=self.y)
        self.y += self.params[1]
        return self.y

    def backward(self, dy, is_first):
        np.matmul(self.x.T, dy, out=self.grads[0])
        np.sum(dy, axis=0, out=self.grads[1])
        return None if is_first else np.matmul(dy, self.params[0].T, out=self.dx)


class Activation:
    initial = []

    def __init__(self, kind):
        self.kind = kind

    def forward(self, x):
        # In place: no backward pass reads what an activation was given.
        if self.kind == "relu":
            np.maximum(x, 0, out=x)
        elif self.kind == "tanh":
            np.tanh(x, out=x)
        else:
            np.negative(x, out=x)
            np.exp(x, out=x)
            x += 1
            np.reciprocal(x, out=x)
        self.y = x
        return x

    def backward(self, dy, _):
        y = self.y
        if self.kind == "relu":
            dy *= y > 0
        elif self.kind == "tanh":
            dy *= 1 - y * y
        else:
            dy *= y * (1 - y)
        return dy


class BatchNorm:
    def __init__(self, layer, values, batch_size):
        self.momentum, self.epsilon = np.float32(layer["momentum"]), np.float32(layer["epsilon"])
        self.initial = [values["weight"], values["bias"]]
        self.mean, self.variance = values["running_mean"].copy(), values["running_var"].copy()
        self.normal = np.empty((batch_size, len(self.mean)), np.float32)
        self.y = np.empty_like(self.normal)

    def forward(self, x):
        n = len(x)
        mean = x.mean(axis=0)
        np.subtract(x, mean, out=self.normal)
        variance = np.einsum("ij,ij->j", self.normal, self.normal) / n
        self.inverse = 1 / np.sqrt(variance + self.epsilon)
        self.normal *= self.inverse
        np.multiply(self.normal, self.params[0], out=self.y)
        self.y += self.params[1]
        self.mean += (1 - self.momentum) * (mean - self.mean)
        self.variance += (1 - self.momentum) * (variance - self.variance)
        return self.y

    def backward(self, dy, _):
        n = len(dy)
        np.einsum("ij,ij->j", dy, self.normal, out=self.grads[0])
        np.sum(dy, axis=0, out=self.grads[1])
        # dx = scale · inverse · (dy − Σdy ÷ n − x̂ · Σ(dy · x̂) ÷ n); x̂ is not needed again
        self.normal *= self.grads[0] / n
        dy -= self.normal
        dy -= self.grads[1] / n
        dy *= self.params[0] * self.inverse
        return dy


class Network:
    def __init__(self, job):
        n, scale = job["samples"], job["scale"]
        pixels, features = read_idx(job["images"], n)
        self.images = np.frombuffer(pixels, np.uint8).reshape(n, features).astype(np.float32)
        self.images /= np.float32(255)
        self.images -= np.float32(scale["mean"])
        self.images *= np.float32(scale["factor"])
        self.labels = np.frombuffer(read_idx(job["labels"], n)[0], np.uint8).astype(np.intp)

        self.batch_size = job["batchSize"]
        self.rate, self.momentum = np.float32(job["learningRate"]), np.float32(job["momentum"])
        self.rows = np.arange(self.batch_size)
        self.x = np.empty((self.batch_size, features), np.float32)
        self.layers = self.make_layers(job)
        self.flatten()
        self.random = np.random.default_rng(0)
        self.batches = iter([np.arange(self.batch_size)])

    def make_layers(self, job):
        values = [{} for _ in job["layers"]]
        for name, (shape, data) in read_weights(job["weights"]).items():
            index, role = name.split(".")
            values[int(index)][role] = np.frombuffer(data, np.float32).reshape(shape)
        kinds = {
            "dense": lambda layer, own: Dense(own, self.batch_size),
            "batchnorm": lambda layer, own: BatchNorm(layer, own, self.batch_size),
        }
        return [
            kinds[layer["kind"]](layer, own) if own else Activation(layer["kind"])
            for layer, own in zip(job["layers"], values)
        ]

    def flatten(self):
        """Puts all parameters one behind the other, with views for the layers, and makes room for gradients."""
        self.params = np.concatenate([value.ravel() for layer in self.layers for value in layer.initial])
        self.grads = np.zeros_like(self.params)
        self.velocity = np.zeros_like(self.params)
        at = 0
        for layer in self.layers:
            layer.params, layer.grads = [], []
            for value in layer.initial:
                end = at + value.size
                layer.params.append(self.params[at:end].reshape(value.shape))
                layer.grads.append(self.grads[at:end].reshape(value.shape))
                at = end

    def next_batch(self):
        index = next(self.batches, None)
        if index is None:
            order = self.random.permutation(len(self.images))
            self.batches = iter(order.reshape(-1, self.batch_size))
            index = next(self.batches)
        return index

    def step(self):
        """One step; returns the mean loss of the batch."""
        index = self.next_batch()
        # mode='clip' writes straight to `out`; the default would go by a buffer.
        value = np.take(self.images, index, axis=0, out=self.x, mode="clip")
        labels = self.labels[index]
        for layer in self.layers:
            value = layer.forward(value)

        value -= value.max(axis=1, keepdims=True)
        wanted = value[self.rows, labels]
        np.exp(value, out=value)
        sums = value.sum(axis=1, keepdims=True)
        loss = np.mean(np.log(sums[:, 0]) - wanted)

        gradient = np.divide(value, sums, out=value)
        gradient[self.rows, labels] -= 1
        gradient /= self.batch_size
        for layer in reversed(self.layers):
            gradient = layer.backward(gradient, layer is self.layers[0])

        change = self.grads
        if self.momentum:
            self.velocity *= self.momentum
            self.velocity += self.grads
            np.multiply(self.velocity, self.rate, out=change)
        else:
            change *= self.rate
        self.params -= change
        return loss


def main(job):
    blas = settle_blas()
    network = Network(job)
    first = network.step()
    last = first

    def take_steps(_):
        nonlocal last
        last = network.step()
        return 1

    ready = {
        "version": np.__version__,
        "settings": describe(job, blas),
        "firstLoss": float(first),
        "advice": advice_on(blas),
    }
    serve(ready, lambda seconds: timed(take_steps, lambda: float(last), job["batchSize"], seconds))


if __name__ == "__main__":
    main(read_job())
