/** The page of real runs in a real browser: its numbers are the log's, and it lives through what the run lives through. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import t from 'tap';
import { browserFor, photograph, visit } from '../helpers/chromium.ts';
import { jsonLines, jsonOf, lockstep } from '../helpers/cli.ts';
import { hasSignals } from '../helpers/platform.ts';
import { tinyRecipe, writeTinyData } from '../helpers/tiny-data.ts';
import { type Launched, launch } from '../helpers/worker-processes.ts';

t.setTimeout(180_000);

const data = writeTinyData(join(t.testdir(), 'data'));
const endless = [...tinyRecipe.slice(0, -2), '--data', data, '--epochs', '1000000'];
/** The coordinator keeps this many points at most; then it halves them. */
const mostPoints = 2_000;
/** The issue asks for 3 s; a busy machine gets more, and the figure is said. */
const deathShownMs = 10_000;

async function pageOf(launched: Launched): Promise<string> {
  const [, url] = await launched.shows(/Dashboard: (http:\/\/127\.0\.0\.1:\d+\/)/);
  return url;
}

const settled = async (page: Page, id: string, text: string | RegExp): Promise<void> => {
  await page.locator(`#${id}`, { hasText: text }).waitFor({ state: 'attached', timeout: 20_000 });
};

const stepOf = async (page: Page): Promise<number> =>
  Number((await page.locator('#fact-step').textContent())?.replaceAll(',', ''));

/** Waits until the page shows a later step than this. */
async function passes(page: Page, step: number): Promise<void> {
  while ((await stepOf(page)) <= step) {
    const text = (await page.locator('#fact-step').textContent()) ?? '';
    const other = page.locator('#fact-step').filter({ hasNotText: new RegExp(`^${text}$`) });
    await other.waitFor({ state: 'attached', timeout: 60_000 });
  }
}

/** As the page writes a loss: four digits, or three of a very small one. */
const written = (value: number): string =>
  value < 0.0001 ? value.toExponential(2) : String(Number(value.toPrecision(4)));

t.test('the numbers of the page are those of the log', async (t) => {
  const browser = await browserFor(t);
  if (browser === null || !hasSignals(t)) return;
  // So many that points are thinned. They begin when the page is there, and end where they end on any machine: were it
  // elsewhere, the rows of the table could all lie between two epochs.
  const epochs700 = [...endless.slice(0, -1), '700'];
  const here = ['--no-run', '--threads', '0', '--listen', '127.0.0.1:0', '--log', 'log.jsonl', '--json'];
  const training = launch(t, ['coordinator', ...epochs700, ...here]);
  const [, url] = await training.shows(/worker (ws:\S+)/);
  const { page, complaints } = await visit(browser, await pageOf(training));
  await settled(page, 'activity', 'waiting for 1 more worker');
  launch(t, ['worker', url, '--threads', '1']);
  await settled(page, 'activity', 'training');
  const { steps } = jsonOf(await training.finished);
  await settled(page, 'activity', 'finished');
  t.equal(steps, 2800);
  t.equal(await stepOf(page), steps);

  const lines = jsonLines(join(training.cwd, 'log.jsonl'));
  // What happens to a worker is said with a step, too.
  const ofSteps = lines.filter((line) => 'step' in line && 'samples' in line);
  const losses = ofSteps.map(({ loss }) => Number(loss));
  const samples = ofSteps.map(({ samples }) => Number(samples));
  const epochs = lines.filter((line) => 'testLoss' in line);
  t.equal(losses.length, steps);
  t.equal(
    await page.locator('#fact-test').textContent(),
    `${(100 * Number(epochs[epochs.length - 1].testAccuracy)).toFixed(2)} %`,
  );
  let stride = 1;
  while (losses.length / stride > mostPoints) stride *= 2;
  await page.locator('#loss-chart summary').click();
  // What is opened is filled a moment later.
  await page.locator('#loss-chart tbody tr').first().waitFor();
  const rows = await page.locator('#loss-chart tbody tr').all();
  t.equal(rows.length, 50);
  let [points, tests] = [0, 0];
  for (const row of rows) {
    const [place, least, greatest, raw, , test] = await row.locator('th, td').allTextContents();
    const end = Number(place.replaceAll(',', ''));
    if (test !== '') {
      const epoch = epochs.find(({ epoch }) => 4 * Number(epoch) === end);
      t.equal(test, written(Number(epoch?.testLoss)), `test loss after step ${end}`);
      tests++;
    }
    if (raw === '') continue; // an epoch that ends within a point
    const from = Math.floor((end - 1) / stride) * stride;
    const of = losses.slice(from, end);
    const sum = of.reduce((sum, loss, i) => sum + loss * samples[from + i], 0);
    const count = samples.slice(from, end).reduce((sum, count) => sum + count, 0);
    const expected = [Math.min(...of), Math.max(...of), sum / count].map(written);
    t.same([least, greatest, raw], expected, `steps ${from + 1} to ${end}`);
    points++;
  }
  t.comment(`${steps} steps in points of ${stride}`);
  t.ok(points > 5, `${points} points`);
  t.ok(tests > 5, `${tests} epochs`);
  t.same(complaints, []);
});

t.test(
  'a killed worker shows, a killed coordinator is waited for, a digit is told as `predict` tells it',
  async (t) => {
    const browser = await browserFor(t);
    if (browser === null || !hasSignals(t)) return;
    const base = t.testdir();
    const run = join(base, 'r');
    const how = ['--threads', '0', '--checkpoint-every', '5', '--json'];
    const first = launch(t, [
      'coordinator',
      ...endless,
      '--shard-size',
      '4',
      '--run',
      run,
      '--listen',
      '127.0.0.1:0',
      ...how,
    ]);
    const [, url] = await first.shows(/worker (ws:\S+)/);
    const site = await pageOf(first);
    const { page, complaints } = await visit(browser, site, { viewport: { width: 1440, height: 900 } });
    const drawing = await visit(browser, `${site}draw`);
    await settled(page, 'activity', 'waiting for 1 more worker');
    const [ada] = ['ada', 'ida'].map((name) => launch(t, ['worker', url, '--name', name, '--threads', '1']));
    await page.locator('#workers .state', { hasText: 'working' }).nth(1).waitFor();
    await passes(page, 20);
    await settled(page, 'timeline', 'ida');
    await photograph(page, 'real-run');

    const killedMs = performance.now();
    ada.child.kill('SIGKILL');
    await settled(page, 'workers', 'gone');
    const shownMs = performance.now() - killedMs;
    t.comment(`a killed worker showed after ${Math.round(shownMs)} ms`);
    t.ok(shownMs < deathShownMs);
    t.equal(await page.locator('#workers tr.gone th').textContent(), 'ada');
    await settled(page, 'events', 'ada');
    t.same(complaints, []);

    t.comment('the coordinator is killed, and started again');
    first.child.kill('SIGKILL');
    await first.finished;
    await settled(page, 'live', /^not live since/);
    const again = ['--listen', new URL(url).host, '--dashboard', new URL(site).host, ...how];
    const second = launch(t, ['coordinator', '--resume', run, ...again]);
    await settled(page, 'live', /^live$/);
    await page.locator('#workers tr:not(.gone) th', { hasText: 'ida' }).waitFor();
    await passes(page, await stepOf(page));

    t.comment('a digit is drawn while it trains');
    await settled(drawing.page, 'live', /^live$/);
    await settled(drawing.page, 'after', /^after step [\d,]+$/);
    const box = await drawing.page.locator('#pad').boundingBox();
    if (box === null) throw new Error('there is no pad');
    await drawing.page.mouse.move(box.x + box.width / 3, box.y + box.height / 4);
    await drawing.page.mouse.down();
    await drawing.page.mouse.move(box.x + box.width / 2, box.y + (3 * box.height) / 4, { steps: 5 });
    await drawing.page.mouse.up();
    await drawing.page.locator('tr[data-probability]').first().waitFor();

    second.child.kill('SIGTERM');
    const { steps } = jsonOf(await second.finished);
    await settled(page, 'activity', 'stopped');
    await settled(drawing.page, 'after', `after step ${Number(steps).toLocaleString('en-US')}`);
    const [saved] = await Promise.all([
      drawing.page.waitForEvent('download'),
      drawing.page.locator('#save-raw').click(),
    ]);
    const raw = join(base, 'digit.raw');
    await saved.saveAs(raw);
    t.equal(readFileSync(raw).length, 784);
    const shown = await drawing.page
      .locator('.probabilities tbody tr')
      .evaluateAll((rows) => rows.map((row) => Number(row.getAttribute('data-probability'))));
    const told = jsonOf(await lockstep(['predict', run, raw, '--json'], { cwd: base }));
    const [{ probabilities, label }] = told.predictions as { probabilities: number[]; label: number }[];
    t.strictSame(shown, probabilities, 'to the last bit');
    t.equal(await drawing.page.locator('#label').textContent(), String(label));
  },
);
