/** What the page does when it is not let in, cut off, left alone, or longer there than the run. */
import type { Page } from 'playwright-core';
import t from 'tap';
import { browserFor, visit } from '../../../helpers/chromium.ts';
import { FakeDashboard } from '../../../helpers/fake-dashboard.ts';
import { settled, shown, texts } from '../../../helpers/shown-page.ts';
import { busyRun, shownNow, shownRun, shownWorker } from '../../../helpers/shown-run.ts';

const token = 'correct+horse/battery';

function hide(page: Page, isHidden: boolean): Promise<unknown> {
  return page.evaluate(
    `Object.defineProperty(document, 'hidden', { value: ${isHidden}, configurable: true });` +
      "document.dispatchEvent(new Event('visibilitychange'))",
  );
}

t.test('a page', async (t) => {
  const browser = await browserFor(t);
  if (browser === null) return;

  await t.test('says why it is not let in, and that it waits', async (t) => {
    const dashboard = new FakeDashboard(busyRun());
    dashboard.refusals.set('/live', 'the run has not begun yet');
    await dashboard.open();
    t.teardown(() => dashboard.close());
    const { page } = await visit(browser, dashboard.url);
    await settled(page, 'live', /^waiting: the run has not begun yet$/);
    await settled(page, 'activity', /^waiting$/);
    dashboard.refusals.clear();
    await settled(page, 'live', /^live$/);
    t.pass('it is live as soon as it is let in');
  });

  await t.test('complains of a message that cannot be read, and takes the stream up again', async (t) => {
    const { dashboard, page, complaints } = await shown(t, browser, busyRun());
    await settled(page, 'live', /^live$/);
    dashboard.write('{"type":');
    dashboard.write('\n');
    await settled(page, 'live', /^not live/);
    await settled(page, 'live', /^live$/);
    t.match(complaints.join(), /SyntaxError/);
  });

  await t.test('shows the run that takes the place of one that was stopped', async (t) => {
    const workers = [shownWorker(0)];
    const { dashboard, page } = await shown(t, browser, [shownRun(2_000), shownNow(2_000, workers)]);
    await settled(page, 'live', /^live$/);
    dashboard.tell({ type: 'over', how: 'stopped', reason: 'by hand' });
    await settled(page, 'live', 'the run is over');
    dashboard.end();
    await dashboard.close();
    await settled(page, 'workers', 'was working');
    t.match(await page.locator('#workers-note').textContent(), /^as of \d\d:\d\d:\d\d$/);
    t.equal(await page.title(), 'stopped · mnist · Lockstep');
    t.same(await texts(page, '#announcement'), ['The run has been stopped. by hand']);
    // Its first look for another run finds nobody.
    await page.waitForEvent('requestfailed');
    t.same(await texts(page, '#live'), ['the run is over']);
    dashboard.opening = [shownRun(2_010), shownNow(2_010, workers)];
    await dashboard.open();
    await settled(page, 'live', /^live$/);
    await settled(page, 'fact-step', '2,010');
    t.same(await texts(page, '#workers .state'), ['working']);
  });

  await t.test('shows workers as they were while it is cut off', async (t) => {
    const { dashboard, page } = await shown(t, browser, busyRun());
    await settled(page, 'live', /^live$/);
    await dashboard.close();
    await settled(page, 'workers', 'was working');
    t.same(await texts(page, '#workers .state'), ['was working', 'was late', 'was silent', 'gone']);
    t.match(await page.locator('#workers-note').textContent(), /^1 gone, as of \d\d:\d\d:\d\d$/);
    t.same(await texts(page, '#activity'), ['was training']);
    t.equal(await page.title(), 'not live · mnist · Lockstep');
    const status = await page.locator('#live').textContent();
    await settled(page, 'live-age', /^[2-9] s ago$/);
    t.equal(await page.locator('#live').textContent(), status, 'nothing is read aloud each second');
  });

  await t.test('reads deaths of workers aloud', async (t) => {
    const { dashboard, page } = await shown(t, browser, busyRun());
    await settled(page, 'live', /^live$/);
    t.same(await texts(page, '#announcement'), [''], 'but not what was before it came');
    dashboard.tell({ type: 'event', event: { step: 8, atMs: 1e12, text: 'otto is gone' } });
    await settled(page, 'announcement', 'otto is gone');
  });

  await t.test('gives its connection back when nobody has seen it for a minute', async (t) => {
    const { dashboard, page } = await shown(t, browser, busyRun());
    await settled(page, 'live', /^live$/);
    await page.clock.install();
    await hide(page, true);
    await page.clock.fastForward(50_000);
    t.equal(dashboard.readers, 1);
    const gone = dashboard.nextLeave();
    await page.clock.fastForward(11_000);
    await gone;
    t.equal(dashboard.readers, 0);
    const asked = dashboard.requests.length;
    await page.clock.fastForward(120_000);
    t.equal(dashboard.requests.length, asked, 'and does not ask again');
    await hide(page, false);
    await settled(page, 'live', /^live$/);
    t.equal(dashboard.readers, 1);
  });
});

t.test('the token', async (t) => {
  const browser = await browserFor(t);
  if (browser === null) return;

  await t.test(
    'in a link that is pasted into the open page is used, and taken out of the address',
    async (t) => {
      const { dashboard, page } = await shown(t, browser, busyRun(), token);
      await page.locator('#token').waitFor();
      await page.evaluate(`location.hash = '#token=${encodeURIComponent(token)}'`);
      await settled(page, 'live', /^live$/);
      t.equal(page.url(), dashboard.url);
    },
  );

  await t.test('goes with the link to the other page into a new tab', async (t) => {
    const { dashboard, page } = await shown(t, browser, busyRun(), token);
    await page.locator('#token').fill(token);
    await page.keyboard.press('Enter');
    await settled(page, 'live', /^live$/);
    const link = page.getByRole('link', { name: 'Draw a digit' });
    const opened = page.context().waitForEvent('page');
    await link.click({ modifiers: ['ControlOrMeta'] });
    const other = await opened;
    await settled(other, 'live', /^live$/);
    t.equal(other.url(), `${dashboard.url}draw`);
  });
});
