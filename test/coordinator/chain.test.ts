/** The chain of step digests: what a digest is made of, and finding where two chains part. */
import fc from 'fast-check';
import t from 'tap';
import { firstDifferentStep, nextDigest } from '../../coordinator/chain.ts';
import { prepareRun } from '../../coordinator/prepare.ts';
import type { StepReport } from '../../coordinator/reports.ts';
import { loadKernels } from '../../shared/kernels/load.ts';
import { draftRecipe, type RecipeFields } from '../../shared/recipe/resolve.ts';
import { label, syntheticDataset, train } from '../helpers/train.ts';

const seed = 20261201;
const source = syntheticDataset(seed, 90, 20);
const fields: RecipeFields = {
  model: 'dense(12) batchnorm relu dense(10)',
  optimizer: 'sgd(lr=0.05,momentum=0.9)',
  batchSize: 20,
  shardSize: 8,
  epochs: 2,
};

t.test('a digest is the SHA-256 of the digest before, the step and the checksum', (t) => {
  const before = 'ab'.repeat(32);
  const digest = nextDigest(before, 258, 0x0123456789abcdefn);
  // What sha256sum says of 32 bytes ab and 02 01 00 00 00 00 00 00, ef cd ab 89 67 45 23 01.
  t.equal(digest, '90d7f2813df8acbab08ad9690ac0b56c7d1ae55e0a7105213fac5b1dde81df70');
  const others = [
    nextDigest('ac'.repeat(32), 258, 0x0123456789abcdefn),
    nextDigest(before, 257, 0x0123456789abcdefn),
    nextDigest(before, 258, 0x0123456789abceefn),
  ];
  t.equal(new Set([digest, ...others]).size, 4);
  t.end();
});

t.test('the first difference is found, with few looks', (t) => {
  let most = 0;
  fc.assert(
    fc.property(fc.nat(100_000), fc.nat(100_001), (steps, first) => {
      let looks = 0;
      const found = firstDifferentStep(steps, (step) => {
        if (step < 0 || step > steps) throw new Error(`looked at step ${step} of ${steps}`);
        looks++;
        return step >= first;
      });
      most = Math.max(most, looks);
      return found === (first <= steps ? first : null);
    }),
    { seed },
  );
  t.ok(most <= 18, `${most} looks at most`);
  t.end();
});

t.test('steps that nothing is known of are passed over', (t) => {
  fc.assert(
    fc.property(
      fc.nat(40),
      fc.nat(41),
      fc.uniqueArray(fc.nat(40), { maxLength: 41 }),
      (steps, first, lost) => {
        const all = Array.from({ length: steps + 1 }, (_, step) => step);
        const expected = all.find((step) => step >= first && !lost.includes(step)) ?? null;
        return firstDifferentStep(steps, (at) => (lost.includes(at) ? null : at >= first)) === expected;
      },
    ),
    { seed },
  );
  t.equal(
    firstDifferentStep(9, () => null),
    null,
  );
  t.end();
});

t.test('every step is told with its digest, and the last one is the chain of the run', async (t) => {
  const digests: string[] = [];
  const told: string[] = [];
  const onSteps = (reports: readonly StepReport[]) => digests.push(...reports.map(({ digest }) => digest));
  const onStep = ({ digest }: StepReport) => told.push(digest);
  const whole = await train(fields, { source, threads: 2, hooks: { onSteps } });
  t.equal(digests.length, 10);
  t.equal(new Set(digests).size, 10);
  t.equal(digests.at(-1), whole.chain);
  const stepwise = await train(fields, { source, hooks: { onStep } });
  t.strictSame(told, digests, 'one step at a time too');
  t.equal(stepwise.chain, whole.chain);
});

t.test('a run without steps has the weights digest of its initial model for a chain', async (t) => {
  const none = await train({ ...fields, epochs: 0 }, { source });
  t.equal(none.chain, none.weightsDigest);
  const draft = draftRecipe(fields, label);
  const run = await prepareRun({
    draft,
    source,
    kernels: loadKernels('exact'),
    threads: 1,
    initial: null,
    label,
  });
  t.equal(run.chain, none.chain);
});

t.test(
  'another rate gives another chain from the first step on, another seed from the beginning',
  async (t) => {
    const digestsOf = async (more: RecipeFields): Promise<string[]> => {
      const digests: string[] = [];
      const onSteps = (reports: readonly StepReport[]) =>
        digests.push(...reports.map(({ digest }) => digest));
      const { run } = await train({ ...fields, ...more }, { source, hooks: { onSteps } });
      return [run.chain, ...digests];
    };
    const base = await digestsOf({});
    const rate = await digestsOf({ optimizer: 'sgd(lr=0.05000001,momentum=0.9)' });
    const another = await digestsOf({ seed: 1 });
    const shorter = await digestsOf({ epochs: 1 });
    t.equal(base.length, 11);
    t.same(
      base.map((digest, i) => digest === rate[i]),
      base.map((_, i) => i === 0),
    );
    t.ok(base.every((digest, i) => digest !== another[i]));
    t.same(shorter, base.slice(0, 6), 'a run of one epoch has the same digests as far as it goes');
  },
);
