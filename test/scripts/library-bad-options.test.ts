/** Wrong options of the library: refused by the compiler, and in plain JavaScript with clear errors. */
import t from 'tap';
import {
  compare,
  evaluate,
  LockstepError,
  loadModel,
  type Summary,
  type TrainResult,
  train,
} from '../../scripts/index.ts';
import { refusal } from '../helpers/refusal.ts';

const images = new Uint8Array(784);
const labels = new Uint8Array(1);
const data = { train: { images, labels }, test: { images, labels } };
const options = { data, model: 'dense(10)', epochs: 0, threads: 1 };

async function refusedTrain(more: unknown): Promise<string> {
  return refusedBy(train({ ...options, ...(more as object) }));
}

async function refusedBy(result: Promise<unknown>): Promise<string> {
  const error: unknown = await result.then(
    () => new Error('it was not refused'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof LockstepError)) throw error;
  if (error.code !== 'USAGE' || error.exitCode !== 2) throw new Error(`the code is ${error.code}`);
  return error.message;
}

t.test('compare wants two folders', async (t) => {
  const untyped: (...folders: unknown[]) => Promise<unknown> = Reflect.apply.bind(
    null,
    compare,
    null,
  ) as never;
  t.match(await refusedBy(untyped(['r1'])), /^compare: got undefined, expected the folders of two runs$/);
  t.match(await refusedBy(untyped([3, 'r1'])), /^compare: got number, expected the folders of two runs$/);
});

t.test('wrong options of train are USAGE errors that name them', async (t) => {
  const cases: [options: unknown, says: RegExp][] = [
    [{ epoch: 3 }, /^train: unknown option "epoch", did you mean "epochs"\?$/],
    [{ thread: 3 }, /^train: unknown option "thread", did you mean "threads"\?$/],
    [{ onEpochs: () => {} }, /^train: unknown option "onEpochs", did you mean "onEpoch"\?$/],
    [
      { xyzzyplugh: 1 },
      /^train: unknown option "xyzzyplugh", expected one of arithmetic, .*recipe, from, run, threads/,
    ],
    [JSON.parse('{"__proto__":{"epochs":1}}'), /^train: unknown option "__proto__"/],
    [{ epochs: -1 }, /^train: epochs: got -1, expected an integer ≥ 0$/],
    [{ epochs: Number.NaN }, /^train: epochs: got .+, expected an integer ≥ 0$/],
    [{ epochs: '3' }, /^train: epochs: got "3", expected an integer ≥ 0$/],
    [{ batchSize: Number.POSITIVE_INFINITY }, /^train: batchSize: got .+, expected an integer ≥ 1$/],
    [{ threads: 0 }, /^train: threads: got "0", expected an integer from 1 to 1024$/],
    [{ threads: 1025 }, /^train: threads: got "1025"/],
    [{ threads: 1.5 }, /^train: threads: got "1\.5"/],
    [{ trainSamples: 2 }, /^train: trainSamples: got 2, expected at most 1, the samples that "memory" has$/],
    [{ optimizer: 'sgd(lr=1e39)' }, /^train: optimizer: sgd: lr: got "1e39"/],
    [{ model: 'dense(11)' }, /^train: model: the last layer, dense\(11\), gives 11 outputs/],
    [{ recipe: 'mnits' }, /^recipe: got "mnits", did you mean "mnist"\?$/],
    [{ recipe: {} }, /^train: recipe: got an object, expected a text$/],
    [{ kernels: 'wsam' }, /^train: kernels: got "wsam", did you mean "wasm"\?$/],
    [{ from: {} }, /^train: from: expected a model of train or loadModel$/],
    [{ onStep: 5 }, /^train: onStep: got 5, expected a function$/],
    [{ signal: {} }, /^train: signal: got an object, expected an AbortSignal$/],
    [{ data: 'no such folder' }, /got "no such folder", but there is no folder/],
    [
      { data: { train: data.train } },
      /^train: data: got undefined for test\.images, expected a name, a folder, or/,
    ],
    [{ data: { ...data, test: { images: [1], labels } } }, /^train: data: got a list for test\.images/],
    [
      { data: { ...data, test: { images, labels: new Uint8Array(2) } } },
      /test images in memory: got 784 bytes, expected 1568/,
    ],
    [
      { init: `sha256:${'0'.repeat(64)}` },
      /^train: init: the recipe starts from the model sha256:0+, got no file/,
    ],
  ];
  for (const [more, says] of cases) {
    const message = await refusedTrain(more);
    t.match(message, says, message);
    t.notMatch(message, /\p{Cc}/u, 'one line');
  }
  for (const nothing of [null, 5, 'mnist', []]) {
    t.match(await refusedBy(train(nothing as object)), /^train: got .+, expected an object with options$/);
  }
});

t.test('wrong options of evaluate too', async (t) => {
  const { model } = await train(options);
  const wrong = (more: unknown) => refusedBy(evaluate(model, { data, ...(more as object) }));
  t.match(await wrong({ kernel: 'exact' }), /^evaluate: unknown option "kernel", did you mean "kernels"\?$/);
  t.match(await wrong({ split: 'tset' }), /^evaluate: split: got "tset", did you mean "test"\?$/);
  t.match(await wrong({ kernels: 'x' }), /^evaluate: kernels: got "x", expected auto or/);
  t.match(await wrong({ data: 7 }), /^evaluate: data: got undefined for train\.images/);
  t.match(
    refusal(() => loadModel('nowhere')),
    /^loadModel: there is no "nowhere", expected a safetensors file or a run folder$/,
  );
});

/** Never called: it is enough that it compiles, each error where one is expected. */
export async function types(): Promise<void> {
  const { model, summary }: TrainResult = await train({ recipe: 'note', scale: 'unit', batchNorm: 'ghost' });
  const digest: string = model.weightsDigest;
  const losses: Summary['trainLoss'] = summary.trainLoss;
  const label: number = model.predict(images)[0].label;
  // @ts-expect-error no such recipe
  await train({ recipe: 'mnits' });
  // @ts-expect-error no such option
  await train({ epoch: 3 });
  // @ts-expect-error a number
  await train({ epochs: '3' });
  // @ts-expect-error no such scale
  await train({ scale: 'none' });
  // @ts-expect-error kernels by name
  await train({ kernels: 'fast' });
  // @ts-expect-error bytes
  await train({ data: { train: { images: [1], labels }, test: { images, labels } } });
  // @ts-expect-error no such split
  await evaluate(model, { split: 'validation' });
  // @ts-expect-error the result cannot be changed
  summary.steps = 3;
  // @ts-expect-error nor can its lists
  losses.push(1);
  console.log(digest, label);
}
