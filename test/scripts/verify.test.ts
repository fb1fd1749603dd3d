/** `lockstep verify` finds what it is there to find: each fault is planted in a copy of the program. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { type Plant, plantedProgram } from '../helpers/planted-program.ts';

t.setTimeout(240_000);
const program = fileURLToPath(new URL('../../scripts/cli.js', import.meta.url));

interface Verdict {
  readonly code: number | null;
  readonly outcome: string;
  readonly expected: string | null;
  readonly published: string | null;
  readonly ways: readonly {
    readonly name: string;
    readonly isSame: boolean;
    readonly failure: string | null;
  }[];
}

function verify(cli: string, ...args: string[]): Promise<Verdict> {
  return new Promise((resolve, reject) => {
    const child = execFile(process.execPath, [cli, 'verify', ...args, '--json'], (_, stdout, stderr) => {
      if (stdout === '') reject(new Error(stderr));
      else resolve({ ...JSON.parse(stdout), code: child.exitCode });
    });
  });
}

const namesOf = ({ ways }: Verdict, isSame: boolean) =>
  ways.filter((way) => way.isSame === isSame).map(({ name }) => name);

t.test('every way comes to the published bits, whatever happens on the way', async (t) => {
  const verdict = await verify(program, '--quick');
  t.match(verdict, { code: 0, outcome: 'same' });
  t.equal(verdict.expected, verdict.published);
  t.same(
    verdict.ways.filter(({ failure }) => failure !== null),
    [],
  );
  t.ok(verdict.ways.length >= 9, `${verdict.ways.length} ways`);
});

t.test('a digest that this machine does not come to', async (t) => {
  const verdict = await verify(program, '--quick', '--only', '8 threads', '--against', '0'.repeat(64));
  t.match(verdict, { code: 3, outcome: 'different', expected: '0'.repeat(64) });
});

/** Faults, and the ways in which they show; whatever is not named must be the same. */
const faults: readonly {
  readonly name: string;
  readonly plants: readonly Plant[];
  readonly args?: readonly string[];
  readonly only: string;
  readonly different: readonly string[];
}[] = [
  {
    name: 'a sum in arrival order',
    plants: [
      {
        file: 'coordinator/reduction.js',
        replace: [
          [
            'this.#mergeUp(path.slice(0, -1));',
            `this.#mergeUp(path.slice(0, -1));
             this.came = [...(this.came ?? []), values];
             if (this.total !== null && this.came.length > 2) {
               for (let i = 0; i < 16; i++) {
                 this.total[i] = this.came.reduce((sum, partial) => Math.fround(sum + partial[i]), 0);
               }
             }`,
          ],
        ],
      },
    ],
    only: '3 workers',
    different: ['3 workers (1, 2, 1 threads)'],
  },
  {
    name: 'an unfused multiply-add',
    plants: [
      {
        file: 'shared/kernels/load.js',
        replace: [
          [
            'if (instructions === null)',
            "if (set === 'exact') return { ...kernels, dense: withUnfusedDense(memory).dense };\n    if (instructions === null)",
          ],
          ['return failure === null ? loaded', 'return true ? loaded'],
          [
            "import { setFlagsFromString } from 'node:v8';",
            "import { setFlagsFromString } from 'node:v8';\nimport { withUnfusedDense } from '../../test/helpers/unfused.js';",
          ],
        ],
      },
    ],
    // Plain code is slow.
    args: ['--model', 'dense(16) relu dense(10)'],
    only: '2 threads exact',
    different: ['2 threads', 'stopped, resumed on 2 threads'],
  },
  {
    name: 'a lost last batch, in whatever way',
    plants: [
      {
        file: 'shared/recipe/recipe.js',
        replace: [['Math.ceil(samples / recipe.batchSize)', 'Math.floor(samples / recipe.batchSize)']],
      },
    ],
    only: '3 threads',
    different: ['1 thread', '3 threads'],
  },
  {
    name: 'running statistics that are not merged',
    plants: [
      {
        file: 'coordinator/merger.js',
        replace: [
          [
            'return { values, isFinite: bad === 0 };',
            `if (values.length > 20_000) {
               for (const { mean, m2, width } of this.#layout.moments) {
                 values.set(left.subarray(mean, mean + width), mean);
                 values.set(left.subarray(m2, m2 + width), m2);
               }
             }
             return { values, isFinite: bad === 0 };`,
          ],
        ],
      },
    ],
    only: '3 workers',
    different: ['3 workers (1, 2, 1 threads)'],
  },
];

for (const { name, plants, args = [], only, different } of faults) {
  t.test(`planted: ${name}`, async (t) => {
    const verdict = await verify(plantedProgram(t, plants), '--quick', ...args, '--only', only);
    t.match(verdict, { code: 3, outcome: 'different' });
    t.same(
      [...new Set(namesOf(verdict, false))].filter((way) => different.includes(way)),
      different,
    );
    t.same(
      namesOf(verdict, false).filter((way) => !different.includes(way)),
      [],
      'nothing else differs',
    );
  });
}
