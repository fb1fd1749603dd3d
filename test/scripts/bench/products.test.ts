/** Products of awkward shapes come to an end, with a number for each. */
import t from 'tap';
import { measureProducts } from '../../../scripts/bench/products.ts';
import { loadKernels } from '../../../shared/kernels/load.ts';

const kernels = loadKernels('auto');

for (const optimizer of ['sgd(lr=0.1)', 'sgd(lr=0.1,momentum=0.9)']) {
  t.test(`every product has its speed, with ${optimizer}`, (t) => {
    const sizes = { batchSize: 37, shardSize: 8, optimizer };
    const inner = measureProducts(
      kernels,
      { layer: 'dense(10)', inputs: 45, outputs: 10, isFirst: false },
      sizes,
      1e-6,
    );
    for (const [name, speed] of Object.entries(inner)) t.ok(Number(speed) > 0, `${name}: ${speed}`);
    const first = measureProducts(
      kernels,
      { layer: 'dense(10)', inputs: 45, outputs: 10, isFirst: true },
      sizes,
      1e-6,
    );
    t.equal(first.backward, null, 'nobody wants the gradient of the input');
    t.ok(first.forward > 0 && first.update > 0);
    t.end();
  });
}
