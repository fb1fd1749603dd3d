/** One line for all ranks: who is different, in what, and what to do. */
import fc from 'fast-check';
import t from 'tap';
import { canonicalJson } from '../../../shared/recipe/recipe.ts';
import type { Arrival, Attendee } from '../../../worker/mpi/attendee.ts';
import { verdict, verdictCode } from '../../../worker/mpi/verdict.ts';
import { attendee, recipe } from '../../helpers/attendees.ts';

/** A job in which rank 3 on host b and others may be different. */
function job(different: Readonly<Record<number, Partial<Attendee>>>, size = 4): Arrival[] {
  return Array.from({ length: size }, (_, rank) => ({
    kind: 'attendee',
    attendee: attendee({ host: rank === 3 ? 'b' : 'a', ...different[rank] }),
  }));
}

t.test('ranks that are alike may train, also with other kernels, threads and versions of Node', (t) => {
  t.equal(verdict(job({})), null);
  t.equal(verdict(job({}, 1)), null);
  t.equal(verdict(job({ 3: { kernels: 'native:avx2', threads: 7, node: 'v26.0.0', pid: 99 } })), null);
  t.end();
});

t.test('mixed versions are said with who has which', (t) => {
  t.equal(
    verdict(job({ 3: { lockstep: '0.2.0' } })),
    'mixed versions: ranks 0–2 run lockstep 0.1.0, rank 3 (host b) 0.2.0; install the same version for all ranks',
  );
  const six = Object.fromEntries([1, 2, 3, 4, 5].map((rank) => [rank, { lockstep: `0.${rank}.1` }]));
  t.match(verdict(job(six, 6)), /rank 3 \(host b\) 0.3.1, and 2 more groups of ranks; install/);
  t.end();
});

t.test('a record of a newer format is a version among others', (t) => {
  const [first, second, third] = job({});
  const newer: Arrival = { kind: 'newer', format: 2, lockstep: '0.9.0' };
  t.equal(
    verdict([first, newer, second, third]),
    'mixed versions: ranks 0, 2 and 3 run lockstep 0.1.0, rank 1 0.9.0 (records of format 2); ' +
      'install the same version for all ranks',
  );
  t.end();
});

t.test('mixed versions are said before anything that may come of them', (t) => {
  const error = { code: 'DATA', message: 'no data' };
  t.match(verdict(job({ 3: { lockstep: '0.2.0', arithmetic: 2, error } })), /^mixed versions/);
  t.end();
});

t.test('what is no record is said before all else', (t) => {
  const [first, ...others] = job({ 3: { lockstep: '0.2.0' } });
  t.equal(
    verdict([first, { kind: 'garbage', reason: '3 bytes' }, ...others]),
    'rank 1 brought no record that can be read (3 bytes); start all ranks with the same command, and install the same ' +
      'Lockstep for all ranks',
  );
  t.end();
});

t.test('an error that all ranks have is said as one process says it, with its code', (t) => {
  const error = { code: 'USAGE', message: '--data: no such folder' };
  const all = job(Object.fromEntries([0, 1, 2, 3].map((rank) => [rank, { error }])));
  t.equal(verdict(all), '--data: no such folder');
  t.equal(verdictCode(all), 'USAGE');
  t.end();
});

t.test('an error that some have is said with who and where', (t) => {
  const error = { code: 'DATA', message: '/data: no such folder' };
  const one = job({ 3: { error } });
  t.equal(verdict(one), 'rank 3 on host b: /data: no such folder');
  t.equal(verdictCode(one), 'DATA');
  t.equal(verdict(job({ 1: { error }, 2: { error } })), 'ranks 1 and 2: /data: no such folder');
  const other = { code: 'NEW', message: 'no memory' };
  t.equal(
    verdict(job({ 1: { error }, 3: { error: other } })),
    'rank 1 on host a: /data: no such folder; rank 3 on host b: no memory',
  );
  t.equal(verdictCode(job({ 3: { error: other } })), 'MPI', 'a code that is not known here');
  t.equal(verdict(job({ 3: { error: { code: 'DATA', message: '' } } })), 'rank 3 on host b: DATA');
  t.end();
});

t.test('versions of arithmetic and exchange are compared', (t) => {
  t.equal(
    verdict(job({ 3: { arithmetic: 2 } })),
    'ranks differ in the version of the arithmetic: ranks 0–2 have 1, rank 3 (host b) 2; install the same Lockstep for all ranks',
  );
  t.match(
    verdict(job({ 0: { protocol: 2 } })),
    /^ranks differ in the version of what they exchange: rank 0 \(host a\) has 2, ranks 1–3 1;/,
  );
  t.end();
});

t.test('kernels that give other bits are named', (t) => {
  t.equal(
    verdict(job({ 3: { answer: 'f'.repeat(64), kernels: 'native:neon' } })),
    'ranks differ in the result of the known computation: ranks 0–2 have 000000000000… (wasm), rank 3 (host b) ' +
      'ffffffffffff… (native:neon); start those that are wrong with other --kernels',
  );
  t.match(verdict(job({ 3: { answer: null } })), /rank 3 \(host b\) none;/);
  t.end();
});

t.test('recipes are compared field by field', (t) => {
  const other = canonicalJson({ ...recipe, batchSize: 128, epochs: 5, earlyStopping: 'loss(patience=2)' });
  t.equal(
    verdict(job({ 3: { recipe: other } })),
    'recipes differ, ranks 0–2 against rank 3 (host b): batchSize 64 against 128, epochs 10 against 5, earlyStopping ' +
      'nothing against loss(patience=2); start all ranks with the same recipe, flags and data',
  );
  const many = canonicalJson({
    ...recipe,
    batchSize: 1,
    shardSize: 2,
    epochs: 3,
    seed: 4,
    scale: 'unit',
    dropLast: true,
  });
  t.match(verdict(job({ 1: { recipe: many } })), /, and 2 more fields; start/);
  t.match(verdict(job({ 3: { recipe: null } })), /^rank 3 \(host b\) has no recipe;/);
  t.match(verdict(job({ 0: { recipe: null }, 1: { recipe: null } })), /^ranks 0 and 1 have no recipe;/);
  t.equal(verdict(job(Object.fromEntries([0, 1, 2, 3].map((rank) => [rank, { recipe: null }])))), null);
  t.end();
});

t.test('fields of hostile recipes are fields like any others', (t) => {
  const line = verdict(job({ 3: { recipe: '{"__proto__":1,"constructor":"\\u001b[2J"}' } }));
  t.notMatch(line, /\p{Cc}/u);
  t.match(line, /^recipes differ/);
  t.end();
});

t.test('whatever else must be the same is compared by its name', (t) => {
  const same = { '--resume': 'step 12' };
  t.equal(verdict(job(Object.fromEntries([0, 1, 2, 3].map((rank) => [rank, { same }])))), null);
  t.equal(
    verdict(job({ 3: { same } })),
    'ranks differ in --resume: ranks 0–2 have nothing, rank 3 (host b) step 12; it must be the same on all ranks',
  );
  t.match(
    verdict(job({ 3: { same: { constructor: 'x' } } })),
    /^ranks differ in constructor: ranks 0–2 have nothing,/,
  );
  t.end();
});

t.test('it is one line, whoever differs in whatever', (t) => {
  const different = fc.record(
    {
      lockstep: fc.constantFrom('0.1.0', '0.2.0'),
      arithmetic: fc.nat(2),
      answer: fc.constantFrom('0'.repeat(64), 'f'.repeat(64), null),
      recipe: fc.constantFrom(canonicalJson(recipe), null, '{"a":1}', '{}'),
      same: fc.dictionary(fc.string(), fc.string(), { maxKeys: 2 }),
      error: fc.option(fc.record({ code: fc.string(), message: fc.constantFrom('', 'x', 'y') })),
    },
    { requiredKeys: [] },
  );
  let refused = 0;
  fc.assert(
    fc.property(fc.array(different, { minLength: 1, maxLength: 9 }), (all) => {
      const arrivals: Arrival[] = all.map((one) => ({
        kind: 'attendee',
        attendee: attendee(one as Partial<Attendee>),
      }));
      const line = verdict(arrivals);
      if (line === null) return;
      refused++;
      if (line === '' || /\n/.test(line) || line.length > 2_000) throw new Error(line);
    }),
    { seed: 11, numRuns: 500 },
  );
  t.ok(refused > 100, `${refused} jobs were refused`);
  t.end();
});
