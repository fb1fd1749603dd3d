/** How the page looks and reads: on a phone and on a wide screen, light and dark, for eyes and for screen readers. */
import t from 'tap';
import type { FeedMessage } from '../../../../coordinator/dashboard/feed.ts';
import { openDataset } from '../../../../shared/data/dataset.ts';
import { faults } from '../../../helpers/axe.ts';
import { browserFor, looks, photograph, visit } from '../../../helpers/chromium.ts';
import { FakeDashboard } from '../../../helpers/fake-dashboard.ts';
import { busyRun, shownNow, shownRun, shownWorker } from '../../../helpers/shown-run.ts';

/** The first test samples of a digit, as `/examples` gives them. */
async function examplesOf(digit: number) {
  const source = openDataset('mnist');
  const images = new Uint8Array(source.samples.test * 784);
  const labels = new Uint8Array(source.samples.test);
  await source.load('test', images, labels);
  const places = [...labels.entries()].filter(([, label]) => label === digit).slice(0, 12);
  const samples = places.map(([sample]) => ({
    sample,
    image: Buffer.from(images.subarray(784 * sample, 784 * (sample + 1))).toString('base64'),
  }));
  return { epoch: 4, step: 3_752, label: digit, prediction: digit, count: 964, samples };
}

t.test('the page has nothing that axe-core finds fault with, nor more width than there is', async (t) => {
  const browser = await browserFor(t);
  if (browser === null) return;
  const dashboard = new FakeDashboard(busyRun());
  dashboard.examples.set('9,9', await examplesOf(9));
  await dashboard.open();
  t.teardown(() => dashboard.close());
  for (const { name, ...look } of looks) {
    const { page, complaints } = await visit(browser, dashboard.url, look);
    await page.locator('.steps canvas[aria-label]').waitFor();
    await page.locator('.matrix button').last().click();
    await page.locator('#examples canvas').first().waitFor();
    const tables = await page.locator('.as-table summary').all();
    t.equal(tables.length, 5, 'each chart has its table');
    for (const summary of tables) await summary.click();
    const { lines, passes } = await faults(page);
    t.same(lines, [], name);
    t.ok(passes > 20, `${passes} rules were looked at`);
    for (const summary of tables) await summary.click();
    const width = await page.evaluate('document.documentElement.scrollWidth');
    t.ok(Number(width) <= look.viewport.width, `${name}: ${width} pixels wide`);
    await page.mouse.move(0, 0);
    await photograph(page, `run-${name}`);
    t.same(complaints, []);
    await page.context().close();
  }
});

const workers = [shownWorker(0), shownWorker(1)];
const states: Record<string, readonly FeedMessage[]> = {
  waiting: [
    shownRun(0),
    shownNow(0, [], { activity: 'waiting', waitingFor: 'waiting for 2 workers', loss: null }),
  ],
  finished: [shownRun(9_380), shownNow(9_380, workers), { type: 'over', how: 'finished', reason: '' }],
  failed: [
    shownRun(64),
    shownNow(64, workers),
    { type: 'over', how: 'failed', reason: 'the loss of step 65 is not finite' },
  ],
};

t.test('nor has it while it waits, or when the run is over, or behind a token', async (t) => {
  const browser = await browserFor(t);
  if (browser === null) return;
  for (const [state, opening] of Object.entries({ ...states, gate: [] })) {
    const dashboard = new FakeDashboard(opening, state === 'gate' ? 'not-known-here' : null);
    await dashboard.open();
    for (const { name, ...look } of looks.filter(({ name }) => /light-360|dark-1440/.test(name))) {
      const { page } = await visit(browser, dashboard.url, look);
      await page
        .locator(state === 'gate' ? '#token' : '#activity', { hasText: state === 'gate' ? '' : state })
        .waitFor();
      t.same((await faults(page)).lines, [], `${state}, ${name}`);
      await photograph(page, `run-${state}-${name}`);
      await page.context().close();
    }
    await dashboard.close();
  }
});
