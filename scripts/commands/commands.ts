/** The commands: what each takes, what its help says, and the module that runs it. */

import type { Flag } from './flag.ts';
import type { FlagValues } from './flag-values.ts';
import {
  benchFlags,
  compareFlags,
  coordinatorRunFlags,
  evaluateFlags,
  exportFlags,
  inspectFlags,
  predictFlags,
  recipeFlags,
  runFlags,
  trainListenFlags,
  verifyFlags,
  workerFlags,
} from './flags.ts';
import { listenFlags } from './network-flags.ts';

export interface Command {
  readonly name: string;
  /** The first argument beside flags. */
  readonly argument: { readonly value: string; readonly needed: boolean };
  /** What has to follow it: one argument, or any number from one on. */
  readonly more?: { readonly value: string; readonly many: boolean };
  /** For the list of commands. */
  readonly summary: string;
  /** For the command's own help: what it does. */
  readonly about: string;
  readonly groups: readonly { readonly title: string; readonly flags: readonly Flag[] }[];
  /** Command lines. */
  readonly examples: readonly string[];
  /** Runs it and returns the exit code. The module is loaded only now, so that help is quick. */
  run(argument: string | undefined, flags: FlagValues, more: readonly string[]): Promise<number>;
}

export const commands: readonly Command[] = [
  {
    name: 'train',
    argument: { value: 'RECIPE', needed: false },
    summary: 'train on this machine: the main job',
    about:
      'Trains a model on this machine. RECIPE is mnist (the default), note, or a JSON file; flags replace its ' +
      'fields. With --model and no RECIPE, training starts from the values in brackets.',
    groups: [
      { title: 'What is trained, which decides the bits:', flags: recipeFlags },
      { title: 'How it is run, which never changes the bits:', flags: runFlags },
      { title: 'With --listen, workers on other machines may join:', flags: trainListenFlags },
    ],
    examples: [
      'lockstep train',
      'lockstep train note --init he --epochs 3',
      'lockstep train --model "dense(64) relu dense(10)" --optimizer "sgd(lr=0.2)"',
    ],
    run: async (argument, flags) => (await import('./train.ts')).trainCommand(argument, flags),
  },
  {
    name: 'coordinator',
    argument: { value: 'RECIPE', needed: false },
    summary: 'wait for workers and train with them',
    about:
      'Trains a model with workers on this and other machines, to the same bits as train. It prints the command ' +
      'that starts a worker. Workers may come, go and die at any time. RECIPE is mnist (the default), note, or a ' +
      'JSON file.',
    groups: [
      { title: 'Who may come in, and how long to wait:', flags: listenFlags },
      { title: 'What is trained, which decides the bits:', flags: recipeFlags },
      { title: 'How it is run, which never changes the bits:', flags: coordinatorRunFlags },
    ],
    examples: [
      'lockstep coordinator',
      'lockstep coordinator mnist --listen 0.0.0.0:7077 --workers 2',
      'lockstep coordinator note --threads 2 --worker-timeout 1h',
    ],
    run: async (argument, flags) => (await import('./train.ts')).coordinatorCommand(argument, flags),
  },
  {
    name: 'worker',
    argument: { value: 'URL', needed: true },
    summary: 'join a coordinator from here',
    about:
      'Computes for a coordinator until its run is over, and comes back by itself when the connection is lost. URL ' +
      'is what the coordinator printed, like wss://10.0.0.7:7077.',
    groups: [{ title: 'Flags:', flags: workerFlags }],
    examples: [
      'LOCKSTEP_TOKEN=… lockstep worker ws://127.0.0.1:7077',
      'LOCKSTEP_TOKEN=… lockstep worker wss://10.0.0.7:7077 --fingerprint sha256:…',
    ],
    run: async (argument = '', flags) => (await import('./worker.ts')).workerCommand(argument, flags),
  },
  {
    name: 'evaluate',
    argument: { value: 'MODEL', needed: true },
    summary: 'loss, accuracy, confusion matrix on the test set',
    about:
      'Evaluates a model on the test set: loss and accuracy, precision and recall of each class, and the mistakes that ' +
      'it is surest of. MODEL is a safetensors file that Lockstep wrote, a checkpoint, or a run folder.',
    groups: [{ title: 'Flags:', flags: evaluateFlags }],
    examples: [
      'lockstep evaluate model.safetensors',
      'lockstep evaluate runs/2026-11-23-mnist-1a74ee33 --worst 10',
      'lockstep evaluate model.safetensors --split train --json',
    ],
    run: async (argument = '', flags) => (await import('./evaluate.ts')).evaluateCommand(argument, flags),
  },
  {
    name: 'predict',
    argument: { value: 'MODEL', needed: true },
    more: { value: 'IMAGE', many: true },
    summary: 'label and probabilities of images',
    about:
      'Says what images show. MODEL is a safetensors file that Lockstep wrote, a checkpoint, or a run folder. IMAGE is a ' +
      'PNG of any size and kind, an IDX file (plain or .gz) or raw bytes, 28×28 each. What is dark on light is turned ' +
      'round; what is drawn on a PNG that is not 28×28 is centred and scaled as the digits of MNIST were.',
    groups: [{ title: 'Flags:', flags: predictFlags }],
    examples: [
      'lockstep predict model.safetensors seven.png',
      'lockstep predict runs/2026-11-23-mnist-1a74ee33 *.png --json',
      'lockstep predict model.safetensors t10k-images-idx3-ubyte --first 20',
    ],
    run: async (argument = '', flags, more) =>
      (await import('./predict.ts')).predictCommand(argument, more, flags),
  },
  {
    name: 'export',
    argument: { value: 'MODEL', needed: true },
    more: { value: 'FILE', many: false },
    summary: 'a model as ONNX or safetensors',
    about:
      'Writes a model for other programs. FILE ends in .onnx or .safetensors. ONNX (opset 17) takes images as float32 ' +
      '(batch, 1, 28, 28), the bytes 0 to 255 as they are, and gives probabilities and label. MODEL is a safetensors ' +
      'file that Lockstep wrote, a checkpoint, or a run folder.',
    groups: [{ title: 'Flags:', flags: exportFlags }],
    examples: [
      'lockstep export model.safetensors model.onnx',
      'lockstep export runs/2026-11-23-mnist-1a74ee33 digits.onnx',
    ],
    run: async (argument = '', flags, more) =>
      (await import('./export.ts')).exportCommand(argument, more[0], flags),
  },
  {
    name: 'compare',
    argument: { value: 'RUN', needed: true },
    more: { value: 'RUN', many: false },
    summary: 'the first step and value in which two runs differ',
    about:
      'Compares two runs by their folders; both may still be going on. If their recipes are the same, it finds the first ' +
      'step after which their bits differ, computes that step again here, which tells who is at fault, and shows what ' +
      'differs, as far as checkpoints allow. Exit code 0: the same as far as both go, 3: different.',
    groups: [{ title: 'Flags:', flags: compareFlags }],
    examples: [
      'lockstep compare runs/here runs/there',
      'lockstep compare runs/here runs/there --no-rerun --json',
    ],
    run: async (argument = '', flags, more) =>
      (await import('./compare.ts')).compareCommand(argument, more[0], flags),
  },
  {
    name: 'verify',
    argument: { value: 'RECIPE', needed: false },
    summary: 'train it several ways and compare the digests',
    about:
      'Trains a recipe on one thread, on several, with every set of kernels that runs here, with workers, with a ' +
      'worker killed, stopped and resumed, killed and resumed, and compares what they come to. Exit code 3 if ' +
      'anything differs. RECIPE is mnist (the default), note, or a JSON file.',
    groups: [
      { title: 'How to verify:', flags: verifyFlags },
      { title: 'What is trained, which decides the bits:', flags: recipeFlags },
    ],
    examples: ['lockstep verify --quick', 'lockstep verify note --epochs 2'],
    run: async (argument, flags) => (await import('./verify.ts')).verifyCommand(argument, flags),
  },
  {
    name: 'inspect',
    argument: { value: 'FILE', needed: true },
    summary: 'what is in a model, checkpoint, run or recipe',
    about:
      'Shows what is in a model, a checkpoint, a run folder, a recipe (mnist, note, or a JSON file), or any other ' +
      'safetensors file: layers, shapes, parameters, where the weights came from, how far a run is. With --csv FILE is a ' +
      'run folder or a log.',
    groups: [{ title: 'Flags:', flags: inspectFlags }],
    examples: [
      'lockstep inspect note',
      'lockstep inspect model.safetensors --json',
      'lockstep inspect runs/2026-11-23-mnist-1a74ee33 --csv',
    ],
    run: async (argument = '', flags) => (await import('./inspect.ts')).inspectCommand(argument, flags),
  },
  {
    name: 'bench',
    argument: { value: 'RECIPE', needed: false },
    summary: 'speed here, phase by phase, beside the limits',
    about:
      'Measures how fast this machine trains, where the time of a step goes, and how far that is from what the ' +
      'machine can do. RECIPE is mnist, note, or a JSON file; without one, note and mnist are measured. All ' +
      'sides run in turns, and medians are shown.',
    groups: [{ title: 'Flags:', flags: benchFlags }],
    examples: [
      'lockstep bench',
      'lockstep bench note --batch-size 64 --threads 1,2 --kernels wasm,exact',
      'lockstep bench note --peers --json',
    ],
    run: async (argument, flags) => (await import('./bench.ts')).benchCommand(argument, flags),
  },
];

export function flagsOf({ groups }: Command): Flag[] {
  return groups.flatMap(({ flags }) => flags);
}

/** `evaluate MODEL`, `train [RECIPE]`, `predict MODEL IMAGE…`. */
export function usageOf({ name, argument, more }: Command): string {
  const rest = more === undefined ? '' : ` ${more.value}${more.many ? '…' : ''}`;
  return `${name} ${argument.needed ? argument.value : `[${argument.value}]`}${rest}`;
}
