/** The file of a run's digests: written, cut back, and read while it grows. */
import { appendFileSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ChainFile, StoredChain } from '../../coordinator/chain-file.ts';
import type { LockstepError } from '../../shared/errors.ts';
import { hasFile } from '../helpers/platform.ts';
import { refusal } from '../helpers/refusal.ts';

const unexpected = (error: LockstepError) => {
  throw error;
};
const digestOf = (step: number, digit = 'a') => step.toString(16).padStart(64, digit);
const reportsOf = (first: number, last: number, digit?: string) =>
  Array.from({ length: last - first + 1 }, (_, i) => ({
    epoch: 1,
    step: first + i,
    samples: 1,
    loss: 1,
    accuracy: 1,
    seconds: 1,
    digest: digestOf(first + i, digit),
  }));

function digestsIn(path: string): (string | null)[] {
  const chain = new StoredChain(path);
  try {
    return Array.from({ length: chain.steps + 1 }, (_, step) => chain.digest(step));
  } finally {
    chain.close();
  }
}

t.test('digests are there one behind the other, readable while the run goes on', (t) => {
  const path = join(t.testdir(), 'chain');
  const file = new ChainFile(path, { committed: 0, chain: digestOf(0) }, unexpected);
  t.strictSame(digestsIn(path), [digestOf(0)]);
  file.steps(reportsOf(1, 3));
  file.steps([]);
  t.strictSame(
    digestsIn(path),
    [0, 1, 2, 3].map((step) => digestOf(step)),
  );
  file.steps(reportsOf(4, 4));
  file.close();
  t.equal(readFileSync(path).toString('hex'), [0, 1, 2, 3, 4].map((step) => digestOf(step)).join(''));
  appendFileSync(path, 'half of a digest');
  t.equal(digestsIn(path).length, 5, 'a digest that is being written is not there yet');
  t.end();
});

t.test('a run that goes on cuts back what was done after its checkpoint', (t) => {
  const path = join(t.testdir(), 'chain');
  const first = new ChainFile(path, { committed: 0, chain: digestOf(0) }, unexpected);
  first.steps(reportsOf(1, 9));
  first.close();
  const second = new ChainFile(path, { committed: 4, chain: digestOf(4) }, unexpected);
  t.equal(digestsIn(path).length, 5);
  second.steps(reportsOf(5, 6, 'b'));
  second.close();
  t.strictSame(digestsIn(path), [
    ...[0, 1, 2, 3, 4].map((step) => digestOf(step)),
    digestOf(5, 'b'),
    digestOf(6, 'b'),
  ]);
  new ChainFile(path, { committed: 0, chain: digestOf(0, 'c') }, unexpected).close();
  t.strictSame(digestsIn(path), [digestOf(0, 'c')], 'from the beginning');
  t.end();
});

t.test(
  'digests that were lost are not there, those behind them still count, and lost ones at the end do not',
  (t) => {
    const path = join(t.testdir(), 'chain');
    const first = new ChainFile(path, { committed: 0, chain: digestOf(0) }, unexpected);
    first.steps(reportsOf(1, 5));
    first.close();
    truncateSync(path, 3 * 32);
    const second = new ChainFile(path, { committed: 5, chain: digestOf(5) }, unexpected);
    second.steps(reportsOf(6, 7));
    second.close();
    t.equal(statSync(path).size, 8 * 32);
    const chain = new StoredChain(path);
    t.equal(chain.digest(2), digestOf(2));
    t.equal(chain.digest(7), digestOf(7));
    for (const step of [3, 4, 8]) t.equal(chain.digest(step), null, `step ${step}`);
    t.equal(chain.steps, 7);
    chain.close();
    appendFileSync(path, Buffer.alloc(5 * 32 + 1));
    t.equal(digestsIn(path).length, 8);
    t.end();
  },
);

t.test('what is no chain is refused', (t) => {
  const folder = t.testdir({ folder: {} });
  writeFileSync(join(folder, 'short'), Buffer.alloc(31));
  t.match(
    refusal(() => new StoredChain(join(folder, 'short')), 'DATA'),
    /short": has 31 bytes, expected digests/,
  );
  t.match(
    refusal(() => new StoredChain(join(folder, 'none')), 'DATA'),
    /none": cannot be read \(ENOENT/,
  );
  t.match(
    refusal(() => new StoredChain(join(folder, 'folder')), 'DATA'),
    /not a regular file/,
  );
  t.match(
    refusal(
      () => new ChainFile(join(folder, 'folder'), { committed: 0, chain: digestOf(0) }, unexpected),
      'OUTPUT',
    ),
    /^cannot write the chain ".*folder" \(EISDIR/,
  );
  t.end();
});

t.test('a chain that cannot be written any more gives one alarm and is no exception', (t) => {
  if (!hasFile(t, '/dev/full')) {
    t.end();
    return;
  }
  const alarms: LockstepError[] = [];
  const folder = t.testdir({ chain: t.fixture('symlink', '/dev/full') });
  const open = () =>
    new ChainFile(join(folder, 'chain'), { committed: 0, chain: digestOf(0) }, (e) => alarms.push(e));
  const message = refusal(() => {
    const file = open();
    file.steps(reportsOf(1, 2));
    file.steps(reportsOf(3, 3));
    file.close();
    if (alarms.length === 1) throw alarms[0];
  }, 'OUTPUT');
  t.match(message, /^cannot write the chain ".*" \(E[A-Z]+: /);
  t.end();
});
