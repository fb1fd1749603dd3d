/** The charts of the page in a browser: what is pointed at, what part is shown, what stays while a run goes on. */
import type { Browser, Page } from 'playwright-core';
import t, { type Test } from 'tap';
import type { FeedMessage } from '../../../../coordinator/dashboard/feed.ts';
import { browserFor, visit } from '../../../helpers/chromium.ts';
import { FakeDashboard } from '../../../helpers/fake-dashboard.ts';
import {
  busyRun,
  shownEpochs,
  shownNow,
  shownPoints,
  shownRun,
  shownWorker,
} from '../../../helpers/shown-run.ts';

async function shown(
  t: Test,
  browser: Browser,
  opening: readonly FeedMessage[],
): Promise<{ dashboard: FakeDashboard; page: Page; complaints: string[] }> {
  const dashboard = new FakeDashboard(opening);
  await dashboard.open();
  t.teardown(() => dashboard.close());
  const visited = await visit(browser, dashboard.url, { viewport: { width: 1440, height: 900 } });
  const [last] = opening.flatMap((message) => (message.type === 'run' ? message.points.slice(-1) : []));
  await pointed(visited.page, last.step);
  return { dashboard, ...visited };
}

const charts = ['loss-chart', 'accuracy-chart', 'speed-chart'];

/** Waits until all charts say that they show the values of a step. */
async function pointed(page: Page, step: number): Promise<void> {
  for (const chart of charts) {
    await page.locator(`#${chart} .place`, { hasText: `step ${step.toLocaleString('en-US')}` }).waitFor();
  }
}

/** Tells of twice as many steps, and waits until they have come. */
async function grow(page: Page, dashboard: FakeDashboard): Promise<void> {
  const points = shownPoints(8_624, 8);
  dashboard.tell({ type: 'points', from: 0, points }, shownNow(8_624, [shownWorker(0)]));
  await page.locator('#fact-step', { hasText: '8,624' }).waitFor();
}

/** Where the line of a chart's cursor is, in pixels. */
async function cursorOf(page: Page, chart: string): Promise<number> {
  const left = await page.evaluate(
    `new DOMMatrix(getComputedStyle(document.querySelector('#${chart} .u-cursor-x')).transform).e`,
  );
  return Number(left);
}

const captionOf = (page: Page) => page.locator('#loss-chart caption').textContent();

/** Sets a control without giving it the focus. */
const choose = (page: Page, axis: string) =>
  page.evaluate(
    `{ const radio = document.querySelector('input[value=${axis}]'); radio.checked = true;
       radio.dispatchEvent(new Event('input')); }`,
  );

t.test('a chart', async (t) => {
  const browser = await browserFor(t);
  if (browser === null) return;

  await t.test('shows the one point of a run of one step', async (t) => {
    const points = shownPoints(1, 1);
    const opening = [shownRun(0, { points }), shownNow(1, [shownWorker(0)])];
    const { page, complaints } = await shown(t, browser, opening);
    for (const chart of charts) {
      const inked = await page.evaluate(`(() => {
        const canvas = document.querySelector('#${chart} canvas');
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        let count = 0;
        for (let i = 0; i < data.length; i += 4) {
          if (data[i + 3] > 200 && Math.max(data[i + 1], data[i + 2]) - data[i] > 60) count += 1;
        }
        return count;
      })()`);
      t.ok(Number(inked) >= 9, `${chart}: ${inked} pixels of the curve's colour`);
    }
    t.same(complaints, []);
  });

  await t.test('keeps pointing at a step while the run goes on, and all point at the same', async (t) => {
    const { dashboard, page, complaints } = await shown(t, browser, busyRun());
    await page.locator('#loss-chart .plot').focus();
    await page.keyboard.press('Home');
    for (let i = 0; i < 200; i++) await page.keyboard.press('ArrowRight');
    await pointed(page, 1_600);
    const before = await cursorOf(page, 'accuracy-chart');
    await grow(page, dashboard);
    await pointed(page, 1_600);
    const after = await cursorOf(page, 'accuracy-chart');
    t.ok(Math.abs(after / before - 0.5) < 0.02, `the line went from ${before} to ${after}, as the step did`);

    t.comment('and when points become fewer, or the window smaller');
    dashboard.tell({ type: 'points', from: 0, points: shownPoints(8_624, 16) });
    await page.locator('#loss-chart .number').first().waitFor();
    await page.setViewportSize({ width: 1_000, height: 900 });
    await pointed(page, 1_600);
    await page.keyboard.press('Escape');
    await pointed(page, 8_624);
    t.same(complaints, []);
  });

  await t.test('keeps what the mouse points at', async (t) => {
    const { dashboard, page } = await shown(t, browser, busyRun());
    const over = page.locator('#accuracy-chart .u-over');
    await over.hover({ position: { x: 200, y: 50 } });
    const place = await page.locator('#loss-chart .place').textContent();
    t.not(place, 'step 4,312');
    await grow(page, dashboard);
    t.equal(await page.locator('#loss-chart .place').textContent(), place);
    await page.mouse.move(5, 5);
    await pointed(page, 8_624);
  });

  await t.test('shows a part, by mouse and by keys, and so do all', async (t) => {
    const { dashboard, page, complaints } = await shown(t, browser, busyRun());
    const buttons = page.getByRole('button', { name: 'Show all' });
    t.equal(await buttons.count(), 0);
    await page.locator('#loss-chart summary').click();
    await page.locator('#loss-chart caption', { hasText: 'Loss, 50 of 542 points' }).waitFor();
    const over = page.locator('#loss-chart .u-over');
    const box = await over.boundingBox();
    if (box === null) throw new Error('the chart has no place');
    await page.mouse.move(box.x + box.width / 4, box.y + 90);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width / 2, box.y + 95, { steps: 4 });
    await page.mouse.up();
    t.equal(await buttons.count(), 3);
    t.match(await captionOf(page), /^Loss, 50 of 13[5-7] points$/);
    const rows = page.locator('#loss-chart tbody th');
    const first = await rows.first().textContent();
    t.match(first, /^1,0[789]\d$/);

    t.comment('it stays what it is while the run goes on, and on another axis');
    await grow(page, dashboard);
    await choose(page, 'epoch');
    await choose(page, 'step');
    t.equal(await rows.first().textContent(), first);
    await over.dblclick();
    t.equal(await buttons.count(), 0);
    t.match(await captionOf(page), /^Loss, 50 of 10\d\d points$/);

    await page.locator('#speed-chart .plot').focus();
    await page.keyboard.press('Home');
    await page.keyboard.press('+');
    t.match(await page.locator('#announcement').textContent(), /^step 8 to step 4,3\d\d$/);
    t.equal(await buttons.count(), 3);
    await page.keyboard.press('End');
    t.match(await page.locator('#announcement').textContent(), /^step 4,3\d\d:/);
    await page.keyboard.press('-');
    t.equal(await buttons.count(), 0);
    await page.keyboard.press('+');
    await buttons.last().focus();
    await page.keyboard.press('Enter');
    t.equal(await buttons.count(), 0);
    t.equal(await page.evaluate("document.activeElement.matches('#speed-chart .plot')"), true);
    t.same(complaints, []);
  });

  await t.test('keeps its table where it is scrolled to, and as it is while it has the focus', async (t) => {
    const { page } = await shown(t, browser, busyRun());
    await page.locator('#loss-chart summary').click();
    await page.locator('#loss-chart tbody tr').last().waitFor();
    const region = page.getByRole('region', { name: 'Table: Loss' });
    const heads = page.locator('#loss-chart thead th');
    t.same(await heads.allTextContents(), [
      'step',
      'train, least of a step',
      'train, greatest of a step',
      'train',
      'train (smoothed)',
      'test',
    ]);
    await region.focus();
    await page.evaluate("document.querySelector('#loss-chart .scroll').scrollTop = 120");
    await choose(page, 'time');
    t.equal(await heads.first().textContent(), 'step', 'somebody reads it');
    await page.locator('#loss-chart summary').focus();
    await choose(page, 'epoch');
    t.equal(await heads.first().textContent(), 'epoch');
    t.equal(await page.evaluate("document.querySelector('#loss-chart .scroll').scrollTop"), 120);
  });

  await t.test('is as it was after a visit to the other page', async (t) => {
    const { page } = await shown(t, browser, busyRun());
    await page.locator('input[value=time]').check({ force: true });
    await page.locator('#logarithmic').check();
    await page.locator('#smoothing').fill('0.35');
    await page.getByRole('link', { name: 'Draw a digit' }).click();
    await page.waitForURL('**/draw');
    await page.locator('nav a').first().click();
    await page.locator('#loss-chart .place', { hasText: 'after 9.1 s of training' }).waitFor();
    t.ok(await page.locator('input[value=time]').isChecked());
    t.ok(await page.locator('#logarithmic').isChecked());
    t.equal(await page.locator('#smoothing').inputValue(), '0.35');
    t.equal(await page.locator('#smoothing-value').textContent(), '0.35');
  });

  await t.test('of hundreds of epochs is drawn without complaint on every axis', async (t) => {
    const points = shownPoints(500 * 938, 256);
    const opening = [shownRun(0, { points, epochs: shownEpochs(500) }), shownNow(469_000, [shownWorker(0)])];
    const dashboard = new FakeDashboard(opening);
    await dashboard.open();
    t.teardown(() => dashboard.close());
    const { page, complaints } = await visit(browser, dashboard.url);
    for (const [axis, said] of [
      ['epoch', 'epoch 500'],
      ['time', 'after 16 min 25 s of training'],
      ['step', 'step 469,000'],
    ]) {
      await page.locator(`input[value=${axis}]`).check({ force: true });
      await page.locator('#loss-chart .place', { hasText: said }).waitFor();
    }
    t.same(complaints, []);
  });
});
