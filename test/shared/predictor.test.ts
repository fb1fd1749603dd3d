/** Predicting without Node: the same bits as with all of it. */
import t from 'tap';
import { Inference } from '../../coordinator/inference.ts';
import { instantiateKernels, loadKernels } from '../../shared/kernels/load.ts';
import { evaluationShard } from '../../shared/model/memory-plan.ts';
import { restoreSnapshot } from '../../shared/model/snapshot.ts';
import { Predictor } from '../../shared/predictor.ts';
import { findImports, readSources } from '../helpers/sources.ts';
import { tinyPixels } from '../helpers/tiny-data.ts';
import { syntheticDataset, train } from '../helpers/train.ts';

const fields = { model: 'dense(20) batchnorm relu dense(10)', epochs: 1, batchSize: 32 };

t.test(
  'what it predicts does not depend on how many it looks at in one go, nor on the kernels',
  async (t) => {
    const trained = await train(fields, { source: syntheticDataset(3, 320, 20) });
    const { recipe } = trained.run;
    const model = { text: recipe.model, scale: recipe.scale, snapshot: trained.snapshot };
    const { pixels } = tinyPixels(150);
    const whole = new Inference(model, loadKernels('auto'), evaluationShard).predict(pixels);
    t.equal(whole.length, 150);
    t.ok(new Set(whole.map(({ label }) => label)).size > 1, 'it tells some apart');
    for (const samples of [1, 7]) {
      const exact = new Predictor(
        model,
        (memory) => instantiateKernels(loadKernels('exact'), memory),
        samples,
      );
      restoreSnapshot(exact.architecture, model.snapshot, exact.flat);
      t.strictSame(exact.predict(pixels), whole, `${samples} in one go`);
    }
  },
);

t.test('all that it loads is without Node, so that a browser can load it', (t) => {
  const sources = new Map(readSources().map((source) => [source.path, source]));
  const seen = new Set<string>();
  const visit = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const { file, specifier, isType } of sources.get(path)?.imports ?? []) {
      if (isType) continue;
      t.ok(file !== null, `${path} imports ${specifier}`);
      if (file !== null) visit(file);
    }
  };
  visit('shared/predictor.ts');
  visit('shared/images/digit.ts');
  t.ok(seen.size > 12, `${seen.size} files`);
  t.ok(findImports("import 'node:fs';", 'x.ts')[0].file === null, 'a module of Node would be seen');
  t.end();
});
