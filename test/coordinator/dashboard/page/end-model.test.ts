/** The digest of the model, and of what was counted when, on the page in a browser. */
import t from 'tap';
import type { EndModel } from '../../../../coordinator/dashboard/feed.ts';
import { browserFor, photograph, visit } from '../../../helpers/chromium.ts';
import { FakeDashboard } from '../../../helpers/fake-dashboard.ts';
import { busyRun, shownRun } from '../../../helpers/shown-run.ts';

t.setTimeout(120_000);

const weightsDigest = '0cd6a9b9a25e7c25754e42d61b35701520db52fac8c3f967636f7b485b94607c';

t.test('the digest is there once the run is over, with what is known of it', async (t) => {
  const browser = await browserFor(t);
  if (browser === null) return;
  const dashboard = new FakeDashboard(busyRun());
  await dashboard.open();
  t.teardown(() => dashboard.close());
  const { page, complaints } = await visit(browser, dashboard.url);
  await page.locator('#confusion-note', { hasText: /^after step [\d,]+$/ }).waitFor();
  t.equal(await page.locator('#end-model').count(), 0);
  for (const [isPublished, words] of [
    [true, 'the published digest: the same bits as everywhere'],
    [false, 'NOT the published digest of this recipe: please report it'],
    [null, ''],
  ] as const) {
    const model: EndModel = { weightsDigest, isPublished };
    dashboard.tell({ type: 'over', how: 'stopped', reason: 'stopped', model });
    await page
      .locator('#end-model', { hasText: new RegExp(`^Weights digest ${weightsDigest} ${words}$`) })
      .waitFor();
    if (isPublished === true) await photograph(page, 'end-model');
  }
  dashboard.tell(shownRun(8, { confusion: null }));
  await page.locator('#end-model').waitFor({ state: 'detached' });
  t.equal(
    await page.locator('#confusion-note').textContent(),
    '',
    'and another process has counted nothing yet',
  );
  t.same(complaints, []);
});
