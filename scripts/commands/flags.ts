/** All flags: what each command takes, on its command line and as LOCKSTEP_… in the environment. */
import { quoted, suggestion, usageError } from '../../shared/errors.ts';

export interface Flag {
  readonly name: string;
  /** A switch takes no value. */
  readonly kind: 'text' | 'number' | 'switch';
  /** What stands for the value in help. */
  readonly value?: string;
  readonly help: string;
  /** The recipe's field that it sets, for flags that decide bits. */
  readonly field?: string;
}

/** What is trained. */
export const recipeFlags: readonly Flag[] = [
  {
    name: 'data',
    kind: 'text',
    value: 'NAME|DIR',
    field: 'data',
    help: 'mnist, fashion-mnist or a folder with IDX files',
  },
  {
    name: 'train-samples',
    kind: 'number',
    value: 'N',
    field: 'trainSamples',
    help: 'a random subset drawn by the seed',
  },
  { name: 'scale', kind: 'text', value: 'NAME', field: 'scale', help: 'signed, standard or unit' },
  {
    name: 'model',
    kind: 'text',
    value: 'LAYERS',
    field: 'model',
    help: '"dense(200) sigmoid batchnorm dense(10)"',
  },
  {
    name: 'init',
    kind: 'text',
    value: 'NAME|FILE',
    field: 'init',
    help: 'he, glorot, std_normal, normal(std=0.01), uniform or a safetensors file',
  },
  { name: 'optimizer', kind: 'text', value: 'TEXT', field: 'optimizer', help: '"sgd(lr=0.1,momentum=0.9)"' },
  {
    name: 'schedule',
    kind: 'text',
    value: 'TEXT',
    field: 'schedule',
    help: 'learning-rate schedule: constant',
  },
  { name: 'batch-size', kind: 'number', value: 'B', field: 'batchSize', help: 'samples of a step' },
  {
    name: 'shard-size',
    kind: 'number',
    value: 'S',
    field: 'shardSize',
    help: 'samples that are summed as one; decides bits',
  },
  {
    name: 'batch-norm',
    kind: 'text',
    value: 'MODE',
    field: 'batchNorm',
    help: 'sync (whole batch) or ghost (each shard)',
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
    help: 'never, start or epoch',
  },
  {
    name: 'epochs',
    kind: 'number',
    value: 'E',
    field: 'epochs',
    help: 'passes over the data; 0 writes the initial model',
  },
  {
    name: 'seed',
    kind: 'number',
    value: 'K',
    field: 'seed',
    help: 'of shuffles, subsets and initial values',
  },
];

const threadFlags: readonly Flag[] = [
  { name: 'threads', kind: 'number', value: 'N', help: 'default: the cores available' },
];

const kernelFlags: readonly Flag[] = [
  { name: 'kernels', kind: 'text', value: 'SET', help: 'auto, native, wasm or exact' },
];

const outputFlags: readonly Flag[] = [
  { name: 'json', kind: 'switch', help: 'one JSON object as the last line of stdout' },
  { name: 'quiet', kind: 'switch', help: 'nothing but errors and what was asked for' },
];

/** How it is run, which never changes the bits. */
export const runFlags: readonly Flag[] = [
  ...threadFlags,
  ...kernelFlags,
  { name: 'transport', kind: 'text', value: 'NAME', help: 'local' },
  { name: 'out', kind: 'text', value: 'FILE', help: 'write the model here, as safetensors' },
  { name: 'run', kind: 'text', value: 'DIR', help: 'run folder (default: runs/<date>-<recipe>-<id>)' },
  { name: 'no-run', kind: 'switch', help: 'no run folder' },
  { name: 'log', kind: 'text', value: 'FILE', help: 'JSON lines, one per step and one per epoch' },
  ...outputFlags,
];

export const evaluateFlags: readonly Flag[] = [
  { name: 'data', kind: 'text', value: 'NAME|DIR', help: 'mnist, fashion-mnist or a folder with IDX files' },
  ...kernelFlags,
  ...outputFlags,
];

export const inspectFlags: readonly Flag[] = outputFlags;

/** Flags of commands to come, which may already stand in somebody's environment. */
const otherFlags = [
  ...['listen', 'workers', 'min-workers', 'worker-timeout', 'step-timeout', 'name', 'token', 'fingerprint'],
  ...['resume', 'checkpoint-every'],
];

/** The values that were given for a command's flags, and where each came from. */
export class FlagValues {
  readonly #values = new Map<string, { value: string; label: string }>();

  /**
   * Flags go over the environment.
   * @throws LockstepError (USAGE) for a LOCKSTEP_ variable that is no command's flag
   */
  constructor(
    flags: readonly Flag[],
    parsed: Readonly<Record<string, unknown>>,
    environment: NodeJS.ProcessEnv,
  ) {
    const known = new Set(
      [...recipeFlags, ...runFlags, ...evaluateFlags].map(({ name }) => name).concat(otherFlags),
    );
    for (const [variable, value] of Object.entries(environment)) {
      const name = /^LOCKSTEP_(.+)$/.exec(variable)?.[1]?.toLowerCase().replaceAll('_', '-');
      if (name === undefined || value === undefined) continue;
      if (!known.has(name)) {
        const variables = [...known].map((flag) => `LOCKSTEP_${flag.toUpperCase().replaceAll('-', '_')}`);
        throw usageError(
          `${quoted(variable)} in the environment: no command has such a flag${suggestion(variable, variables)}`,
        );
      }
      if (flags.some((flag) => flag.name === name)) this.#values.set(name, { value, label: variable });
    }
    for (const { name, kind } of flags) {
      const value = parsed[name];
      if (value === undefined) continue;
      if (kind !== 'switch' && value === '') throw usageError(`--${name}: got nothing, expected a value`);
      this.#values.set(name, { value: String(value), label: `--${name}` });
    }
  }

  /** The flag or variable that a message should name. */
  label(name: string): string {
    return this.#values.get(name)?.label ?? `--${name}`;
  }

  text(name: string): string | undefined {
    return this.#values.get(name)?.value;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** @throws LockstepError (USAGE) for a variable that is neither true nor false */
  isOn(name: string): boolean {
    const given = this.#values.get(name);
    if (given === undefined) return false;
    if (['true', '1'].includes(given.value)) return true;
    if (['false', '0', ''].includes(given.value)) return false;
    throw usageError(`${given.label}: got ${quoted(given.value)}, expected 1 or 0`);
  }

  /** One of some values, or undefined. */
  choice<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const choice = choices.find((candidate) => candidate === text);
    if (choice === undefined) {
      throw usageError(
        `${this.label(name)}: got ${quoted(text)}${suggestion(text, choices) || `, expected ${choices.join(', ')}`}`,
      );
    }
    return choice;
  }
}
