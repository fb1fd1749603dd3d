/** Workers as processes over real sockets: the bits of one thread, whoever computes, comes and goes. */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { train } from '../../scripts/index.ts';
import { openWorkers } from '../../scripts/workers.ts';
import { canonicalJson } from '../../shared/recipe/recipe.ts';
import { recipeBytes } from '../../shared/wire/limits.ts';
import type { Finished } from '../helpers/cli.ts';
import { jsonOf } from '../helpers/cli.ts';
import { writeTinyData } from '../helpers/tiny-data.ts';
import { startTraining, syntheticDataset } from '../helpers/train.ts';
import { coordinateHere, type Launched, launch, type Trained } from '../helpers/worker-processes.ts';

t.setTimeout(180_000);

const data = writeTinyData(join(t.testdir(), 'data'));
/** Seven shards a step, and a short last batch: nothing is divided evenly. */
const fields = {
  model: 'dense(12) batchnorm relu dense(10)',
  batchSize: 25,
  shardSize: 4,
  epochs: 6,
  optimizer: 'sgd(lr=0.05,momentum=0.9)',
};
const steps = 6 * 3;

/** What one thread makes of it. */
const references = new Map<string, string>();
async function reference(more: object): Promise<string> {
  const key = JSON.stringify(more);
  const known = references.get(key);
  if (known !== undefined) return known;
  const { summary } = await train({ ...fields, ...more, data, threads: 1, kernels: 'wasm' });
  references.set(key, summary.stateDigest);
  return summary.stateDigest;
}

const worker = (t: Test, url: string, ...flags: string[]): Launched =>
  launch(t, ['worker', url, '--json', '--kernels', 'wasm', ...flags]);

/**
 * Every worker ended with its run, and says that it did what the coordinator says that it did; only the end of the run
 * may overtake the total with which it would count its last shards.
 */
function holdAccount(t: Test, { work }: Trained, finished: readonly Finished[]): void {
  for (const one of finished) {
    t.equal(one.code, 0, one.stderr.split('\n').at(-2));
    const { name, shards, reason } = jsonOf(one);
    t.equal(reason, 'the run is done');
    const missing = Number(work.find((account) => account.name === name)?.shards) - Number(shards);
    t.ok(missing >= 0 && missing <= 3, `${name}: ${shards} shards, and ${missing}`);
  }
}

for (const threads of [['1'], ['1', '2'], ['1', '2', '3'], ['1', '1', '1', '1', '1']]) {
  for (const batchNorm of threads.length === 2 ? (['sync', 'ghost'] as const) : (['sync'] as const)) {
    t.test(
      `${threads.length} workers with ${threads.join(', ')} threads, ${batchNorm}: one thread's bits`,
      async (t) => {
        let workers: Launched[] = [];
        const trained = await coordinateHere(
          { ...fields, batchNorm },
          {
            data,
            settings: { workers: threads.length },
            onOpen: (url) => {
              workers = threads.map((count, i) => worker(t, url, '--threads', count, '--name', `w${i}`));
            },
          },
        );
        t.equal(trained.stateDigest, await reference({ batchNorm }));
        t.equal(trained.joins, threads.length);
        t.equal(trained.workers, threads.length);
        t.equal(trained.threads, 0);
        t.equal(trained.deaths, 0);
        t.equal(
          trained.work.reduce((sum, { shards }) => sum + shards, 0),
          6 * (7 + 7 + 3),
          'every shard was computed by somebody, once',
        );
        holdAccount(t, trained, await Promise.all(workers.map(({ finished }) => finished)));
      },
    );
  }
}

t.test('a recipe that no message can tell a worker is refused before the door opens', async (t) => {
  const { run, team } = await startTraining(fields, { source: syntheticDataset(1, 60, 10) });
  await team.close();
  const rest = Buffer.byteLength(canonicalJson({ ...run.recipe, model: '' }));
  const recipeOf = (bytes: number) => ({ ...run.recipe, model: 'x'.repeat(bytes - rest) });
  const settings = {
    ...{ listen: { host: '127.0.0.1', port: 0 }, token: null, tls: null, threads: 0 },
    ...{ workers: 1, minWorkers: 1, workerTimeoutMs: 1000, stepTimeoutMs: 1000 },
  };
  const onOpen = () => t.fail('the door was opened');
  const long = { ...run, recipe: recipeOf(recipeBytes + 1) };
  await t.rejects(openWorkers(long, run.kernels, { ...settings, onOpen }), {
    code: 'USAGE',
    message:
      /^recipe: got 12289 bytes of JSON, expected at most 12288, which is what workers can be told; take/,
  });
  const open = await openWorkers({ ...run, recipe: recipeOf(recipeBytes) }, run.kernels, settings);
  await open.close('the test is over');
});

t.test('native, WebAssembly and exact kernels train together', async (t) => {
  let workers: Launched[] = [];
  const trained = await coordinateHere(fields, {
    data,
    settings: { workers: 3 },
    onOpen: (url) => {
      workers = ['auto', 'wasm', 'exact'].map((kernels) =>
        launch(t, ['worker', url, '--json', '--threads', '1', '--kernels', kernels, '--name', kernels]),
      );
    },
  });
  t.equal(trained.stateDigest, await reference({}));
  const finished = await Promise.all(workers.map(({ finished }) => finished));
  t.equal(jsonOf(finished[2]).kernels, 'exact');
  holdAccount(t, trained, finished);
});

t.test('threads of the coordinator’s process and a worker share the work', async (t) => {
  let one: Launched | undefined;
  const trained = await coordinateHere(fields, {
    data,
    threads: 2,
    onOpen: (url) => {
      one = worker(t, url, '--threads', '1', '--name', 'ada');
    },
  });
  t.equal(trained.stateDigest, await reference({}));
  t.same(
    trained.work.map(({ name }) => name),
    ['this process', 'ada'],
  );
  t.ok(trained.work.every(({ shards }) => shards > 0));
  t.match(trained, { threads: 2, workers: 1, joins: 1 });
  holdAccount(t, trained, one === undefined ? [] : [await one.finished]);
});

for (const [when, step] of [
  ['in the middle', steps / 2],
  ['at the last step', steps - 1],
] as const) {
  t.test(`a worker joins ${when}`, async (t) => {
    const workers: Launched[] = [];
    let url = '';
    let joined = (): void => {};
    const hasJoined = new Promise<void>((resolve) => {
      joined = resolve;
    });
    const trained = await coordinateHere(fields, {
      data,
      settings: {
        onEvent: (event) => {
          if (event.kind === 'joined' && event.name === 'late') joined();
        },
      },
      onOpen: (open) => {
        url = open;
        workers.push(worker(t, url, '--threads', '1', '--name', 'first'));
      },
      hooks: {
        onStep: async ({ step: done }) => {
          if (done !== step) return;
          workers.push(worker(t, url, '--threads', '1', '--name', 'late'));
          await hasJoined;
        },
      },
    });
    t.equal(trained.stateDigest, await reference({}));
    t.match(
      trained.events.find((event) => event.kind === 'joined' && event.name === 'late'),
      { step, workers: 2 },
      'it joined there',
    );
    t.ok((trained.work[1]?.shards ?? 0) > 0, 'and computed');
    holdAccount(t, trained, await Promise.all(workers.map(({ finished }) => finished)));
  });
}

t.test(
  'a worker killed in the middle costs nothing but its shards; another one takes its place',
  async (t) => {
    const workers = new Map<string, Launched>();
    let url = '';
    const begin = (name: string) => workers.set(name, worker(t, url, '--threads', '1', '--name', name));
    const trained = await coordinateHere(
      { ...fields, epochs: 40 },
      {
        data,
        settings: {
          workers: 2,
          minWorkers: 2,
          onEvent: (event) => {
            if (event.kind === 'died') begin('dora');
          },
        },
        onOpen: (open) => {
          url = open;
          for (const name of ['ada', 'ben']) begin(name);
        },
        hooks: {
          onStep: ({ step }) => {
            if (step === 20) workers.get('ben')?.child.kill('SIGKILL');
          },
        },
      },
    );
    t.equal(trained.stateDigest, await reference({ epochs: 40 }));
    t.match(trained, { deaths: 1, joins: 3 });
    t.match(
      trained.events.find(({ kind }) => kind === 'died'),
      { name: 'ben', reason: 'the connection was lost', workers: 1 },
    );
    t.equal((await workers.get('ben')?.finished)?.signal, 'SIGKILL');
    const survivors = [workers.get('ada')?.finished, workers.get('dora')?.finished];
    for (const finished of await Promise.all(survivors)) {
      t.equal(finished?.code, 0);
      t.equal(finished === undefined ? 0 : jsonOf(finished).sessions, 1, 'a survivor never starts anew');
    }
  },
);
