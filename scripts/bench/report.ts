/** The tables of a benchmark, for 80 columns. */
import { phases } from '../../shared/timeline.ts';
import { plural } from '../commands/screen.ts';
import { wrapped } from '../commands/wrap.ts';
import { type Column, table } from '../table.ts';
import type { MissingPeer } from './peers/peers.ts';
import {
  type BenchResult,
  type GroupResult,
  isAlone,
  kindOf,
  type Limits,
  type PeerResult,
  type SideResult,
} from './results.ts';
import type { WorkersStep } from './workers-step.ts';

const group: Column = { title: 'batch', align: 'right' };
const kernelColumns: readonly Column[] = [
  group,
  { title: 'kernels', align: 'left' },
  { title: 'threads', align: 'right' },
];
const numbers = (...titles: string[]): Column[] => titles.map((title) => ({ title, align: 'right' }));

/** What was measured, where. */
export function headLines({ version, machine }: Pick<BenchResult, 'version' | 'machine'>): string[] {
  const { node, platform, processor, cores } = machine;
  return [`Lockstep ${version}, Node ${node}, ${platform}, ${cores} cores`, processor];
}

/** What the machine can do at most. */
export function limitLines({ peaks, memory }: Limits): string[] {
  return [
    'The limits of one thread',
    ...table(
      [
        { title: '', align: 'left' },
        { title: '', align: 'right' },
      ],
      [
        ...Object.entries(peaks).map(([set, peak]) => [
          `fused multiply-adds, ${set}`,
          `${peak.toFixed(1)} GFLOP/s`,
        ]),
        ['memory, copied (read + written)', `${memory.copy.toFixed(1)} GB/s`],
      ],
    ),
  ];
}

/** All tables of one recipe, a group a batch size. */
export function recipeLines(
  groups: readonly GroupResult[],
  { peaks }: Pick<Limits, 'peaks'>,
  cores: number,
): string[] {
  const [{ recipe, model }] = groups;
  const peers = peerLines(groups);
  return [
    ...wrapped(`${recipe}: ${model}`, columnsOfPage),
    '',
    ...speedLines(groups),
    ...peakLines(peaks, cores),
    ...partedLines(groups),
    '',
    'A step by phase, in microseconds, the average of its threads',
    ...phaseLines(groups),
    'n: threads; update: the gradients of the weights too, not the update alone',
    '',
    ...workersLines(groups),
    'The dense products by themselves, GFLOP/s of one thread (share of the peak)',
    ...productLines(groups),
    ...(peers.length === 0 ? [] : ['', ...peers]),
  ];
}

/** Peers that could not be run. */
export function missingLines(missing: readonly MissingPeer[]): string[] {
  return missing.length === 0
    ? []
    : [
        'Not here, and how it would be:',
        ...missing.flatMap(({ name, reason, install }) => [
          ...indented(2, wrapped(`${name}: ${reason}`, columnsOfPage - 2)),
          ...indented(4, commandLines(install, columnsOfPage - 4)),
        ]),
      ];
}

/** A command in as many lines as it takes, as a shell reads them. */
function commandLines(command: string, width: number): string[] {
  const lines = wrapped(command, width - 2);
  return lines.map((line, i) => (i < lines.length - 1 ? `${line} \\` : line));
}

function indented(by: number, lines: readonly string[]): string[] {
  return lines.map((line) => ' '.repeat(by) + line);
}

function speedLines(groups: readonly GroupResult[]): string[] {
  const columns = [...kernelColumns, ...numbers('samples/s', '±', 'speed-up', 'GFLOP/s', 'of peak')];
  return table(
    columns,
    groups.flatMap(({ batchSize, sides }) =>
      sides.map(({ kernels, samplesPerSecond, spread, readings, speedUp, gflops, ofPeak, ...side }) => [
        String(batchSize),
        kernels,
        whoOf(side),
        thousands(samplesPerSecond),
        readings.length === 1 ? '–' : share(spread),
        speedUp === null ? '–' : speedUp.toFixed(2),
        gflops.toFixed(1),
        share(ofPeak),
      ]),
    ),
  );
}

/** `2`, `2 workers`, `2 ranks`. */
function whoOf(side: Pick<SideResult, 'workers' | 'ranks' | 'threads'>): string {
  const kind = kindOf(side);
  return kind === 'threads' ? String(side.threads) : plural(side[kind], kind.slice(0, -1));
}

/** Processes beside as many threads of one, where both were measured: what it costs to be parted. */
function partedLines(groups: readonly GroupResult[]): string[] {
  const rows = groups.flatMap(({ batchSize, sides }) =>
    sides.flatMap((side) =>
      isAlone(side) || side.overThreads === null
        ? []
        : [[String(batchSize), side.kernels, whoOf(side), side.overThreads.toFixed(2)]],
    ),
  );
  if (rows.length === 0) return [];
  const [batch, kernels] = kernelColumns;
  const columns = [batch, kernels, ...numbers('processes', 'ratio')];
  return ['', 'Processes of one thread each over as many threads of one process', ...table(columns, rows)];
}

/** What shares are of. */
function peakLines(peaks: Limits['peaks'], cores: number): string[] {
  const all = Object.entries(peaks).map(([set, peak]) => `${set} ${peak.toFixed(1)}`);
  return wrapped(
    `of peak: GFLOP/s of one thread (${all.join(', ')}) times threads, at most ${plural(cores, 'core')}`,
    columnsOfPage,
  );
}

function phaseLines(groups: readonly GroupResult[]): string[] {
  const titles = phases.map((phase) => shortNames[phase] ?? phase);
  const [batch, kernels] = kernelColumns;
  return table(
    [batch, kernels, ...numbers('n', ...titles)],
    groups.flatMap(({ batchSize, sides }) =>
      sides.flatMap(({ kernels: set, threads, phases: found }) =>
        found === null
          ? []
          : [[String(batchSize), set, String(threads), ...phases.map((phase) => microseconds(found[phase]))]],
      ),
    ),
  );
}

/** Eight phases and what they are of have to fit in a line. */
const shortNames: Readonly<Record<string, string>> = {
  forward: 'forw.',
  exchange: 'exch.',
  backward: 'backw.',
  waiting: 'wait',
};

/** A step with workers, where there are some: both ends' time, and what travels between them. */
function workersLines(groups: readonly GroupResult[]): string[] {
  const found = groups.flatMap(({ batchSize, sides }) =>
    sides.flatMap(({ kernels, workers, step }) =>
      step === null ? [] : [{ batchSize, kernels, workers, step }],
    ),
  );
  if (found.length === 0) return [];
  const [batch, kernels] = kernelColumns;
  const titles = ['w', 'comp.', 'rest', 'merge', 'send', 'update', 'wait', 'kB up', 'kB down'];
  const rows = found.map((one) => [
    String(one.batchSize),
    one.kernels.replace('native:', ''),
    String(one.workers),
    ...stepCells(one.step),
  ]);
  const most = (key: 'besidesUp' | 'besidesDown') =>
    `${(100 * Math.max(...found.map(({ step }) => step[key]))).toFixed(2)} %`;
  return [
    'A step with workers of one thread each, in microseconds, and what travels',
    ...table([batch, kernels, ...numbers(...titles)], rows),
    ...wrapped(
      'w: workers; a worker: computing, the rest (its update, sending, waiting); the coordinator: merging, sending, ' +
        'update, waiting; up and down: of each worker, and of that at most ' +
        `${most('besidesUp')} up and ${most('besidesDown')} down is not gradients and their totals`,
      columnsOfPage,
    ),
    '',
  ];
}

function stepCells({ worker, coordinator, bytesUp, bytesDown }: WorkersStep): string[] {
  const { merging, sending, update, waiting } = coordinator;
  return [
    ...[worker.computing, worker.rest, merging, sending, update, waiting].map(microseconds),
    ...[bytesUp, bytesDown].map((bytes) => (bytes / 1000).toFixed(1)),
  ];
}

function productLines(groups: readonly GroupResult[]): string[] {
  const [batch, kernels] = kernelColumns;
  return table(
    [batch, { title: 'layer', align: 'left' }, kernels, ...numbers('forward', 'backward', 'gradient+update')],
    groups.flatMap(({ batchSize, products }) =>
      products.map(({ inputs, outputs, kernels: set, peak, forward, backward, update }) => {
        const speed = (value: number | null) =>
          value === null ? '–' : `${value.toFixed(1)} (${share(value / peak).padStart(5)})`;
        return [
          String(batchSize),
          `${inputs} → ${outputs}`,
          set,
          speed(forward),
          speed(backward),
          speed(update),
        ];
      }),
    ),
  );
}

/** Of what a side is made, where columns are narrow. */
const letters = { threads: '', workers: 'w', ranks: 'r' } as const;

function lettered(kind: string): string {
  return kind === 'threads' ? kind : `${kind[0]}: ${kind}`;
}

/** Ours over theirs, in as many tables as it takes to fit all columns. */
function peerLines(groups: readonly GroupResult[]): string[] {
  const all = groups.flatMap(({ batchSize, peers }) => peers.map((peer) => ({ batchSize, ...peer })));
  if (all.length === 0) return failedLines(groups);
  const ours = all[0].ratios.map(
    (side) => `${side.kernels.replace('native:', '')} ${side[kindOf(side)]}${letters[kindOf(side)]}`,
  );
  const kinds = ['threads', ...new Set(all[0].ratios.map(kindOf).filter((kind) => kind !== 'threads'))];
  const tableOf = (from: number, to: number) =>
    table(
      [group, { title: 'peer', align: 'left' }, ...numbers('samples/s', ...ours.slice(from, to))],
      all.map(({ batchSize, name, samplesPerSecond, ratios }) => [
        String(batchSize),
        name.replace('DistributedDataParallel', 'DDP'),
        thousands(samplesPerSecond),
        ...ratios.slice(from, to).map(({ ratio }) => ratio.toFixed(2)),
      ]),
    );
  const lines = wrapped(
    `Lockstep (kernels, ${kinds.map(lettered).join(', ')}) over others: above 1, Lockstep is faster`,
    columnsOfPage,
  );
  for (let from = 0, to = ours.length; from < ours.length; from = to, to = ours.length) {
    while (to > from + 1 && tableOf(from, to).some((line) => line.length > columnsOfPage)) to -= 1;
    lines.push(...tableOf(from, to));
  }
  return [...lines, ...adviceLines(all), ...failedLines(groups)];
}

/** Whoever could be faster is told how, once. */
function adviceLines(peers: readonly PeerResult[]): string[] {
  const advice = peers.flatMap(({ name, advice }) =>
    advice === null ? [] : [`${name.split(',')[0]}: ${advice}`],
  );
  return [...new Set(advice)].flatMap((text) => wrapped(text, columnsOfPage));
}

function failedLines(groups: readonly GroupResult[]): string[] {
  return groups.flatMap(({ batchSize, failed }) =>
    failed.flatMap(({ name, reason }) =>
      wrapped(`Not measured at batch ${batchSize}: ${name}; ${reason}`, columnsOfPage),
    ),
  );
}

const columnsOfPage = 80;

function thousands(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

function share(value: number): string {
  return `${Math.round(100 * value)} %`;
}

/** Three digits that count are enough. */
function microseconds(seconds: number): string {
  const value = seconds * 1e6;
  return value >= 99.95 ? String(Math.round(value)) : value.toFixed(1);
}
