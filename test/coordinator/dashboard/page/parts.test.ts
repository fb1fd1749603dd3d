/** Parts of the page under a run that goes on: tables that are read, many threads, slow steps, narrow and wide screens. */
import t from 'tap';
import { faults } from '../../../helpers/axe.ts';
import { browserFor, photograph, visit } from '../../../helpers/chromium.ts';
import { FakeDashboard } from '../../../helpers/fake-dashboard.ts';
import { settled, shown, texts } from '../../../helpers/shown-page.ts';
import {
  busyRun,
  shownBatchNorm,
  shownNow,
  shownRun,
  shownTimeline,
  shownWorker,
} from '../../../helpers/shown-run.ts';

const crowd = Array.from({ length: 40 }, (_, rank) =>
  shownWorker(rank, { name: `a-machine-of-long-name-${rank}` }),
);

t.test('the page', async (t) => {
  const browser = await browserFor(t);
  if (browser === null) return;

  await t.test('keeps tables where they are read, and writes them anew when they are not', async (t) => {
    const { dashboard, page, complaints } = await shown(t, browser, [
      shownRun(4_312),
      shownNow(4_312, crowd),
      { type: 'timeline', steps: [shownTimeline(4_100, crowd)] },
      shownBatchNorm(4_312),
    ]);
    const next = (step: number) =>
      dashboard.tell({ type: 'timeline', steps: [shownTimeline(step, crowd)] }, shownBatchNorm(step));
    await settled(page, 'timeline', 'and 16 more threads');
    await page.locator('#timeline summary').click();
    const timelineTable = '#timeline .as-table .scroll';
    const region = page.locator(timelineTable);
    const caption = region.locator('caption');
    await caption.filter({ hasText: 'Step 4,100: milliseconds by phase, 64 of 80 threads' }).waitFor();
    await page.evaluate(`document.querySelector('${timelineTable}').scrollTop = 200`);

    next(4_200);
    await caption.filter({ hasText: 'Step 4,200' }).waitFor();
    t.equal(
      await page.evaluate(`document.querySelector('${timelineTable}').scrollTop`),
      200,
      'it stands where it stood',
    );

    await region.focus();
    next(4_300);
    await settled(page, 'batch-norm-note', 'after step 4,300'); // so it has been drawn
    t.match(await caption.textContent(), 'Step 4,200', 'nothing changes under the eyes');
    t.ok(await page.locator(`${timelineTable}:focus`).isVisible(), 'the focus is where it was');
    await page.locator('#timeline summary').focus();
    next(4_400);
    await caption.filter({ hasText: 'Step 4,400' }).waitFor();

    await page.locator('#batch-norm summary').click();
    const statistics = page.locator('#batch-norm .as-table .scroll');
    await statistics.focus();
    next(4_500);
    await settled(page, 'batch-norm-note', 'after step 4,500');
    t.ok(await page.locator('#batch-norm .as-table .scroll:focus').isVisible());
    t.equal(await statistics.locator('tbody tr').count(), 4);
    t.same(complaints, []);
  });

  await t.test('gives each step its room when one was slow, and says so', async (t) => {
    const workers = [shownWorker(0)];
    const quick = shownTimeline(4_100, workers);
    const slow = {
      ...shownTimeline(4_200, workers),
      workers: shownTimeline(4_200, workers).workers.map((worker) => ({
        ...worker,
        threads: worker.threads.map((segments) =>
          segments.map(({ phase, from, to }) => ({ phase, from: 40 * from, to: 40 * to })),
        ),
      })),
    };
    const { dashboard, page } = await shown(t, browser, [
      shownRun(4_312),
      shownNow(4_312, workers),
      { type: 'timeline', steps: [quick, { ...quick, step: 4_150 }] },
    ]);
    await page.locator('.steps canvas[aria-label]').waitFor();
    t.same(await texts(page, '#timeline-note'), ['thread by thread']);
    dashboard.tell({ type: 'timeline', steps: [slow] });
    await settled(page, 'timeline-note', 'thread by thread, each step on a scale of its own');
    // Twenty pixels into the first step, which would have twelve of them on one scale.
    await page.locator('.steps canvas').hover({ position: { x: 20, y: 30 } });
    t.match(await page.locator('.readout').textContent(), /^step 4,100, mara · 0: /);
  });

  await t.test('has no panel for statistics that the model has not got', async (t) => {
    const { page } = await shown(t, browser, [
      shownRun(64),
      shownNow(64, []),
      { type: 'batchNorm', step: 64, layers: [] },
    ]);
    await page.locator('#batch-norm-panel').waitFor({ state: 'hidden' });
    t.pass('it is hidden');
  });

  await t.test('fits screens of any width', async (t) => {
    const dashboard = new FakeDashboard(busyRun());
    await dashboard.open();
    t.teardown(() => dashboard.close());
    for (const width of [360, 768, 1024, 1280, 2560]) {
      const { page } = await visit(browser, dashboard.url, { viewport: { width, height: 900 } });
      await page.locator('.steps canvas[aria-label]').waitFor();
      const wider = await page.evaluate(
        "[document.documentElement, ...document.querySelectorAll('#workers .scroll, #confusion .scroll, .matrix caption')]" +
          '.filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth).map(({ outerHTML }) => outerHTML.slice(0, 80))',
      );
      t.same(wider, [], `${width} pixels`);
      t.ok(await page.locator('#workers .state').first().isVisible());
      const last = await page.locator('.matrix button').last().boundingBox();
      t.ok(last !== null && last.x + last.width <= width, 'the last number of the matrix is in the picture');
      await photograph(page, `run-${width}`);
      await page.context().close();
    }
  });

  await t.test('says by more than grounds what it says where the system chooses all colours', async (t) => {
    const dashboard = new FakeDashboard(busyRun());
    await dashboard.open();
    t.teardown(() => dashboard.close());
    const { page } = await visit(browser, dashboard.url, { forcedColors: 'active' });
    await page.locator('.steps canvas[aria-label]').waitFor();
    t.equal(await page.evaluate("matchMedia('(forced-colors: active)').matches"), true);
    const grounds = (await page.evaluate(
      `['#activity', '#workers .bar i', '.phase'].map((selector) => {
        const target = document.querySelector(selector);
        const [own, mark] = [getComputedStyle(target), getComputedStyle(target, '::before')];
        const page = getComputedStyle(document.body).backgroundColor;
        return [selector === '#activity' ? mark.backgroundColor : own.backgroundColor, page];
      })`,
    )) as [string, string][];
    for (const [ground, behind] of grounds) {
      t.not(ground, behind);
      t.not(ground, 'rgba(0, 0, 0, 0)');
    }
    await photograph(page, 'run-forced-colours');
    t.same((await faults(page)).lines, []);
  });
});
