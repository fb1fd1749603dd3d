/** All flags: what each command takes, on its command line and as LOCKSTEP_… in the environment. */
import type { Flag } from './flag.ts';
import { dashboardFlags, joinFlags, listenFlags } from './network-flags.ts';

/** What is trained. */
export const recipeFlags: readonly Flag[] = [
  {
    name: 'data',
    kind: 'text',
    value: 'NAME|DIR',
    field: 'data',
    help: 'mnist, fashion-mnist, or a folder with the four IDX files, plain or .gz',
    otherwise: 'mnist',
  },
  {
    name: 'train-samples',
    kind: 'number',
    value: 'N',
    field: 'trainSamples',
    help: 'a random subset, drawn by the seed',
    otherwise: 'all',
  },
  {
    name: 'scale',
    kind: 'text',
    value: 'NAME',
    field: 'scale',
    help: 'how bytes become numbers: signed, standard or unit',
    otherwise: 'signed',
  },
  {
    name: 'model',
    kind: 'text',
    value: 'LAYERS',
    field: 'model',
    help: 'layers: dense(units), sigmoid, relu, tanh, affine, batchnorm; for example "dense(64) relu dense(10)"',
  },
  {
    name: 'init',
    kind: 'text',
    value: 'NAME|FILE',
    field: 'init',
    help: 'he, glorot, std_normal, normal(std=0.01), uniform(range=0.05), or a safetensors file to start from',
    otherwise: 'he',
  },
  {
    name: 'optimizer',
    kind: 'text',
    value: 'TEXT',
    field: 'optimizer',
    help: 'sgd with lr, momentum, nesterov, weightDecay; for example "sgd(lr=0.1,momentum=0.9)"',
    otherwise: 'sgd(lr=0.1)',
  },
  {
    name: 'schedule',
    kind: 'text',
    value: 'NAME',
    field: 'schedule',
    help: 'of the learning rate: constant',
    otherwise: 'constant',
  },
  {
    name: 'batch-size',
    kind: 'number',
    value: 'B',
    field: 'batchSize',
    help: 'samples of a step',
    otherwise: '64',
  },
  {
    name: 'shard-size',
    kind: 'number',
    value: 'S',
    field: 'shardSize',
    help: 'samples of a shard, the unit of summation',
    otherwise: 'an eighth of the batch, 16 to 64',
  },
  {
    name: 'batch-norm',
    kind: 'text',
    value: 'MODE',
    field: 'batchNorm',
    help: 'sync: moments of the whole batch, ghost: of each shard',
    otherwise: 'sync',
  },
  {
    name: 'drop-last',
    kind: 'switch',
    field: 'dropLast',
    help: 'leave out the last, short batch of an epoch',
  },
  {
    name: 'reset-running-stats',
    kind: 'text',
    value: 'WHEN',
    field: 'resetRunningStats',
    help: 'never, start (of the run) or epoch (before each)',
    otherwise: 'never',
  },
  {
    name: 'epochs',
    kind: 'number',
    value: 'E',
    field: 'epochs',
    help: 'passes over the data; with 0, --out writes the initial model',
    otherwise: '10',
  },
  {
    name: 'seed',
    kind: 'number',
    value: 'K',
    field: 'seed',
    help: 'of shuffles, subsets and initial values',
    otherwise: '0',
  },
  {
    name: 'early-stopping',
    kind: 'text',
    value: 'TEXT',
    field: 'earlyStopping',
    help: 'end when testLoss, trainLoss or testAccuracy was not better by minDelta for patience epochs, with the best weights; for example "testLoss(patience=3)"',
    otherwise: 'none',
  },
];

const kernelFlags: readonly Flag[] = [
  {
    name: 'kernels',
    kind: 'text',
    value: 'SET',
    help: 'auto, native, wasm or exact; native:avx512, native:avx2 and native:neon force one set',
    otherwise: 'auto',
  },
];

const outputFlags: readonly Flag[] = [
  { name: 'json', kind: 'switch', help: 'one JSON object as the last line of stdout, all else on stderr' },
  { name: 'quiet', kind: 'switch', help: 'print nothing but errors and what --json asks for' },
];

const threadsFlag = { name: 'threads', kind: 'number', value: 'N' } as const;

const traceFlag: Flag = {
  name: 'trace',
  kind: 'text',
  value: 'FILE',
  help: 'where the time goes, thread by thread, for Perfetto or chrome://tracing; at most 64 MiB',
};

const sharedMemoryFlag: Flag = {
  name: 'no-shared-memory',
  kind: 'switch',
  help: "have MPI send between ranks of one machine, too, which otherwise see each other's memory",
};

const placeFlags: readonly Flag[] = [
  ...kernelFlags,
  {
    name: 'transport',
    kind: 'text',
    value: 'NAME',
    help:
      'local; for train also mpi or websocket, among the ranks that mpirun, srun, torchrun or a Kubernetes Job started: ' +
      'with mpi they exchange gradients directly, with websocket rank 0 becomes the coordinator of the others',
    otherwise: 'local',
  },
  {
    name: 'mpi-library',
    kind: 'text',
    value: 'FILE',
    help: 'libmpi for --transport mpi',
    otherwise: 'the one that is found',
  },
  sharedMemoryFlag,
  { name: 'out', kind: 'text', value: 'FILE', help: 'write the model here too, as safetensors' },
  {
    name: 'run',
    kind: 'text',
    value: 'DIR',
    help: 'run folder for recipe, log, checkpoints and models',
    otherwise: 'runs/<date>-<recipe>-<id>',
  },
  { name: 'no-run', kind: 'switch', help: 'make no run folder' },
  {
    name: 'resume',
    kind: 'text',
    value: 'DIR',
    help: 'go on with the run in that folder; its recipe is read from there',
  },
  {
    name: 'auto-resume',
    kind: 'switch',
    help: 'go on with the run in the folder of --run if there is one, else begin; the same command line does both',
  },
  {
    name: 'checkpoint-every',
    kind: 'text',
    value: 'N|TIME',
    help: 'beside every epoch: after N steps, or after a time like 5s, 10m or 1h',
    otherwise: 'epochs only',
  },
  { name: 'keep', kind: 'number', value: 'N', help: 'checkpoints to keep, at least 2', otherwise: '3' },
  {
    name: 'monitor',
    kind: 'text',
    value: 'NAME',
    help: 'choose best.safetensors by testLoss or testAccuracy',
    otherwise: 'testLoss',
  },
  {
    name: 'log',
    kind: 'text',
    value: 'FILE',
    help: 'JSON lines, one per step and one per epoch',
  },
  {
    name: 'tensorboard',
    kind: 'text',
    value: 'DIR',
    help: 'curves for TensorBoard: an event file in that folder, with at most four points a second',
  },
  {
    name: 'dry-run',
    kind: 'switch',
    help: 'show model, memory, what travels and who computes what; train and write nothing',
  },
  traceFlag,
  ...outputFlags,
];

/** How it is run, which never changes the bits. */
export const runFlags: readonly Flag[] = [
  { ...threadsFlag, help: '1 to 1024, with --listen also 0', otherwise: 'the cores available' },
  ...placeFlags,
  ...dashboardFlags('none; without a value 127.0.0.1:7078'),
];

/** The same for a coordinator, where others compute. */
export const coordinatorRunFlags: readonly Flag[] = [
  { ...threadsFlag, help: 'threads of this process that compute too, 0 to 1024', otherwise: '0' },
  ...placeFlags,
  ...dashboardFlags('127.0.0.1, the port after that of --listen'),
];

/** With which `train` becomes a coordinator. */
export const trainListenFlags: readonly Flag[] = listenFlags.map((flag) => {
  const otherwise = {
    ...{ listen: 'nobody joins', workers: 'start at once' },
    'worker-timeout': '10m; 2m for ranks of MPI',
    'step-timeout': '4s; ranks of MPI end after 60s',
  }[flag.name];
  return otherwise === undefined ? flag : { ...flag, otherwise };
});

export const workerFlags: readonly Flag[] = [
  ...joinFlags,
  { ...threadsFlag, help: '1 to 1024', otherwise: 'the cores available' },
  ...kernelFlags,
  traceFlag,
  ...outputFlags,
];

export const evaluateFlags: readonly Flag[] = [
  {
    name: 'data',
    kind: 'text',
    value: 'NAME|DIR',
    help: 'mnist, fashion-mnist, or a folder with the four IDX files, plain or .gz',
    otherwise: 'mnist',
  },
  { name: 'split', kind: 'text', value: 'NAME', help: 'test, or train: all samples', otherwise: 'test' },
  {
    name: 'worst',
    kind: 'number',
    value: 'N',
    help: 'so many of the mistakes that the model is surest of',
    otherwise: '5',
  },
  ...kernelFlags,
  ...outputFlags,
];

export const predictFlags: readonly Flag[] = [
  {
    name: 'first',
    kind: 'number',
    value: 'N',
    help: 'so many images of each file',
    otherwise: 'all, at most 10,000',
  },
  {
    name: 'fit',
    kind: 'text',
    value: 'HOW',
    help: 'how a PNG becomes 28×28: digit centres what is drawn as MNIST does, whole keeps its border',
    otherwise: 'digit',
  },
  ...kernelFlags,
  ...outputFlags,
];

export const exportFlags: readonly Flag[] = outputFlags;

export const compareFlags: readonly Flag[] = [
  { name: 'no-rerun', kind: 'switch', help: 'only find the step; compute nothing again' },
  {
    name: 'data',
    kind: 'text',
    value: 'NAME|DIR',
    help: 'what was trained on: mnist, fashion-mnist, or a folder with the four IDX files, plain or .gz',
    otherwise: 'as one of the runs says',
  },
  {
    name: 'init',
    kind: 'text',
    value: 'FILE',
    help: 'the model that training began with, if it began with one',
  },
  { ...threadsFlag, help: '1 to 1024', otherwise: 'the cores available' },
  ...kernelFlags,
  ...outputFlags,
];

export const inspectFlags: readonly Flag[] = [
  { name: 'csv', kind: 'switch', help: "a run's log as comma-separated values: its steps" },
  { name: 'csv-epochs', kind: 'switch', help: 'the same of its epochs' },
  ...outputFlags,
];

export const verifyFlags: readonly Flag[] = [
  { name: 'quick', kind: 'switch', help: 'one epoch of 2,000 samples: half a minute in all' },
  {
    name: 'against',
    kind: 'text',
    value: 'DIGEST',
    help: 'the weights digest that this machine must come to',
    otherwise: 'the published one, where there is one',
  },
  {
    name: 'only',
    kind: 'text',
    value: 'TEXT',
    help: 'just the ways that have this in their name, after the first: worker, resumed, wasm',
    otherwise: 'all ways',
  },
  ...outputFlags,
];

/** Where peers from npm are looked for. */
export const defaultPeersFolder = '.bench';

export const benchFlags: readonly Flag[] = [
  {
    name: 'batch-size',
    kind: 'text',
    value: 'B,…',
    help: 'samples of a step, each measured by itself; train reads LOCKSTEP_BATCH_SIZE too',
    otherwise: '64,256,1024',
  },
  {
    name: 'threads',
    kind: 'text',
    value: 'N,…',
    help: '1 to 1024; train reads LOCKSTEP_THREADS too',
    otherwise: '1, 2, 4 and so on to the cores available',
  },
  {
    name: 'workers',
    kind: 'text',
    value: 'N,…',
    help: 'worker processes of one thread each on this machine, 0 to 64; coordinator reads LOCKSTEP_WORKERS too',
    otherwise: 'none; with --peers one for each core',
  },
  {
    name: 'kernels',
    kind: 'text',
    value: 'SET,…',
    help: 'auto, native, wasm, exact, or a set by its full name; exact only if it is named; train and evaluate read LOCKSTEP_KERNELS too',
    otherwise: 'auto,wasm',
  },
  { name: 'seconds', kind: 'number', value: 'S', help: 'of one turn, at most 600', otherwise: '0.5' },
  {
    name: 'rounds',
    kind: 'number',
    value: 'R',
    help: 'turns of each side, 1 to 1000; their median counts',
    otherwise: '5',
  },
  {
    name: 'mpi',
    kind: 'text',
    value: 'N,…',
    help: 'measure so many ranks of MPI of one thread each, too; mpirun starts them',
    otherwise: 'none',
  },
  {
    name: 'mpirun',
    kind: 'text',
    value: 'FILE',
    help: 'what starts ranks: the mpirun of Open MPI or of MPICH',
    otherwise: 'mpirun',
  },
  sharedMemoryFlag,
  {
    name: 'peers',
    kind: 'switch',
    help: 'measure PyTorch, NumPy, TensorFlow.js and jax-js too, as far as they are here',
  },
  {
    name: 'peers-folder',
    kind: 'text',
    value: 'DIR',
    help: 'where peers from npm are installed',
    otherwise: defaultPeersFolder,
  },
  ...outputFlags,
];

/** The name of every flag of every command. */
export const allFlagNames: readonly string[] = [
  ...new Set(
    [
      recipeFlags,
      runFlags,
      listenFlags,
      workerFlags,
      evaluateFlags,
      predictFlags,
      compareFlags,
      inspectFlags,
      verifyFlags,
      benchFlags,
    ]
      .flat()
      .map(({ name }) => name),
  ),
];

/** The environment variable of a flag: `LOCKSTEP_BATCH_SIZE` of `batch-size`. */
export function variableOf(flag: string): string {
  return `LOCKSTEP_${flag.toUpperCase().replaceAll('-', '_')}`;
}

/** The flag that a variable stands for, whether there is one or not. */
export function nameOf(variable: string): string {
  return variable.slice('LOCKSTEP_'.length).toLowerCase().replaceAll('_', '-');
}
