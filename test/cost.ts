/**
 * What it costs to look at a training: `npm run cost -- --batch-size 64 --rounds 9`. The same run in processes of its
 * own, in turns: nobody looking, a page that nobody reads, two readers of it, a trace. Speeds are those of the summary,
 * and each is compared with the plain run of its turn. On a machine with nothing else to do.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { program } from './helpers/cli.ts';

const { values } = parseArgs({
  options: {
    'batch-size': { type: 'string', default: '64' },
    kernels: { type: 'string', default: 'auto' },
    threads: { type: 'string', default: '2' },
    epochs: { type: 'string', default: '30' },
    rounds: { type: 'string', default: '9' },
    port: { type: 'string', default: '17990' },
  },
});
const deadlineMs = 300_000;
const reader = fileURLToPath(new URL('./helpers/page-reader.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'lockstep-cost-'));
const run = async (args: readonly string[]) => {
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: deadlineMs, cwd: folder });
  return stdout.trimEnd().split('\n').at(-1) ?? '';
};
const flags = (['batch-size', 'kernels', 'threads', 'epochs'] as const).flatMap((name) => [
  `--${name}`,
  values[name],
]);

interface Way {
  readonly flags: readonly string[];
  readonly isRead?: boolean;
}

const page = ['--dashboard', values.port];
const ways: Readonly<Record<string, Way>> = {
  plain: { flags: [] },
  'page, not read': { flags: page },
  'page, two readers': { flags: page, isRead: true },
  trace: { flags: ['--trace', join(folder, 'trace.json')] },
};

/** Samples a second of one run, and what its readers were told. */
async function measured({ flags: more, isRead = false }: Way): Promise<number> {
  const told = isRead ? run([reader, values.port]) : null;
  const summary = await run([program, 'train', 'note', ...flags, ...more, '--no-run', '--json', '--quiet']);
  if (told !== null && Number(await told) < 10) throw new Error('the page was not read');
  return (JSON.parse(summary) as { samplesPerSecond: number }).samplesPerSecond;
}

const quantile = (sorted: readonly number[], share: number) =>
  sorted[Math.round(share * (sorted.length - 1))];
const ratios: Record<string, number[]> = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
try {
  const speeds: number[] = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    const order = Object.entries(ways);
    const results: Record<string, number> = {};
    for (const [name, way] of round % 2 === 0 ? order : order.reverse()) results[name] = await measured(way);
    for (const name of Object.keys(ways)) ratios[name].push(results[name] / results.plain);
    speeds.push(results.plain);
  }
  speeds.sort((a, b) => a - b);
  console.log(`plain: median ${Math.round(quantile(speeds, 0.5))} samples/s`);
  for (const [name, all] of Object.entries(ratios).slice(1)) {
    const sorted = all.toSorted((a, b) => a - b);
    const [low, middle, high] = [0.25, 0.5, 0.75].map((share) =>
      ((quantile(sorted, share) - 1) * 100).toFixed(2),
    );
    console.log(`${name}: median ${middle} % of the speed, quartiles ${low} and ${high}`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
