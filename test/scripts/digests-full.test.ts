/** The published digests of recipes on all their samples, once each, with the kernels and threads of this machine. */
import t from 'tap';
import { train } from '../../scripts/index.ts';
import { nameOf, type PublishedDigest, publishedDigests } from '../../scripts/recipes/digests.ts';

// A whole mnist takes 25 s on two cores that are free; ten times as much is allowed.
t.setTimeout(600_000);

/** What the recipes must reach, whatever digests are published: the note's own 0.9131 is beaten clearly. */
const leastAccuracy: Readonly<Record<string, number>> = {
  mnist: 0.98,
  note: 0.925,
  'note init=he': 0.94,
};

const large = publishedDigests.filter(
  ({ fields }) => (fields.trainSamples ?? Number.POSITIVE_INFINITY) > 5000,
);

t.test('the recipes with a bar are published, and so are shorter ones in both modes of batch norm', (t) => {
  const names = large.map(nameOf);
  for (const name of Object.keys(leastAccuracy)) t.ok(names.includes(name), name);
  for (const { recipe, fields } of large) {
    if (fields.epochs === undefined) continue;
    t.ok(fields.epochs <= 2, `${nameOf({ recipe, fields })} is short`);
    const other = { ...fields, batchNorm: 'ghost' };
    t.ok(names.includes(nameOf({ recipe, fields: other as PublishedDigest['fields'] })), 'ghost too');
  }
  t.end();
});

for (const { recipe, fields, ...published } of large) {
  const name = nameOf({ recipe, fields });
  t.test(name, async (t) => {
    const { summary } = await train({ recipe, ...fields });
    const { recipeId, weightsDigest, testAccuracy, seconds, threads, kernels } = summary;
    const how = `${threads} threads, ${kernels} kernels, ${seconds.toFixed(1)} s`;
    t.match({ recipeId, weightsDigest, testAccuracy }, published, `the published digest (${how})`);
    const least = leastAccuracy[name] ?? 0.9;
    t.ok(testAccuracy >= least, `accuracy ${testAccuracy} ≥ ${least}`);
  });
}
