/** The arithmetic of a step, counted by hand. */
import t from 'tap';
import { denseShapes, flopsOf, totalOf } from '../../scripts/flops.ts';
import { parseArchitecture } from '../../shared/model/architecture.ts';

const flops = (model: string) => flopsOf(denseShapes(parseArchitecture(model, [1, 28, 28], 10, 'model')));

t.test('a first layer has no gradient of its input', (t) => {
  const found = flops('dense(200) sigmoid batchnorm dense(10)');
  t.same(found, { forward: 317_600, backward: 4000, update: 317_600 });
  t.equal(totalOf(found), 639_200);
  t.end();
});

t.test('a dense layer that is not the first has one', (t) => {
  t.same(flops('affine dense(10)'), { forward: 15_680, backward: 15_680, update: 15_680 });
  t.end();
});

t.test('shapes are those of the layers', (t) => {
  t.same(denseShapes(parseArchitecture('dense(4) relu dense(10)', [1, 28, 28], 10, 'model')), [
    { layer: 'dense(4)', inputs: 784, outputs: 4, isFirst: true },
    { layer: 'dense(10)', inputs: 4, outputs: 10, isFirst: false },
  ]);
  t.end();
});
