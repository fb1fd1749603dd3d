/** Drawing a digit in a browser: what the model says there is what it says here, to the last bit. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import t from 'tap';
import { decodePng } from '../../../../scripts/images/png.ts';
import { loadModel, TrainedModel } from '../../../../scripts/model.ts';
import { openDataset } from '../../../../shared/data/dataset.ts';
import { toSample } from '../../../../shared/images/digit.ts';
import type { Recipe } from '../../../../shared/recipe/recipe.ts';
import { faults } from '../../../helpers/axe.ts';
import { browserFor, looks, photograph, visit } from '../../../helpers/chromium.ts';
import { FakeDashboard } from '../../../helpers/fake-dashboard.ts';
import { shownFacts, shownNow, shownRun, shownWorker } from '../../../helpers/shown-run.ts';
import { type Trained, train } from '../../../helpers/train.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-draw-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
/** So many steps are in the run that is shown. */
const steps = 63;

let both: Promise<[Trained, Trained]> | undefined;

/** Two models of the same make. They are trained once, and only where there is a browser to show them in. */
function trainTwo(): Promise<[Trained, Trained]> {
  both ??= trainBoth();
  return both;
}

async function trainBoth(): Promise<[Trained, Trained]> {
  const source = openDataset('mnist');
  const fields = {
    trainSamples: 2000,
    batchSize: 32,
    model: 'dense(48) batchnorm relu dense(10)',
    epochs: 1,
  };
  return [await train(fields, { source }), await train({ ...fields, seed: 1 }, { source })];
}

/** The model as it is read from its file. */
function savedModel({ run, snapshot }: Trained): TrainedModel {
  const path = join(folder, `${run.recipe.seed}.safetensors`);
  new TrainedModel(run.recipe, snapshot).save(path);
  return loadModel(path);
}

/** The flat vector as the coordinator has it. */
function flatOf({ run, steps }: Trained): Float32Array {
  const { flat } = run.plan.replicas[steps % 2];
  return new Float32Array(run.memory.buffer, flat, run.architecture.flatSize).slice();
}

function openingFor({ model, scale }: Recipe) {
  const facts = { ...shownFacts, model, scale, epochs: 1, steps };
  return [shownRun(0, { facts }), shownNow(12, [shownWorker(0)])];
}

/** By digit, as it stands in the page. */
async function shownProbabilities(page: Page): Promise<(string | null)[]> {
  const rows = await page.locator('.probabilities tbody tr').all();
  return Promise.all(rows.map((row) => row.getAttribute('data-probability')));
}

async function download(page: Page, link: string, name: string): Promise<Uint8Array> {
  const [saved] = await Promise.all([page.waitForEvent('download'), page.locator(link).click()]);
  const path = join(folder, name);
  await saved.saveAs(path);
  t.equal(saved.suggestedFilename(), name);
  return readFileSync(path);
}

async function drawSeven(page: Page): Promise<void> {
  const box = await page.locator('#pad').boundingBox();
  if (box === null) throw new Error('there is no pad');
  const at = (x: number, y: number): [number, number] => [box.x + x * box.width, box.y + y * box.height];
  await page.mouse.move(...at(0.25, 0.25));
  await page.mouse.down();
  await page.mouse.move(...at(0.72, 0.27), { steps: 8 });
  await page.mouse.move(...at(0.45, 0.8), { steps: 8 });
  await page.mouse.up();
}

const probabilityOf = '.probabilities tr[data-probability]';

t.test('a digit that is drawn gets the probabilities of `lockstep predict`, to the last bit', async (t) => {
  const browser = await browserFor(t);
  if (browser === null) return;
  const [first, second] = await trainTwo();
  const [model, later] = [savedModel(first), savedModel(second)];
  const dashboard = new FakeDashboard(openingFor(first.run.recipe));
  dashboard.model = { steps: 12, flat: flatOf(first) };
  await dashboard.open();
  t.teardown(() => dashboard.close());
  const { page, complaints } = await visit(browser, `${dashboard.url}draw`);
  await page.getByText('after step 12').waitFor();
  t.notOk(await page.locator('#saving').isVisible(), 'nothing to save yet, and no word of it');
  t.same(await shownProbabilities(page), new Array(10).fill(null), 'nothing is said of nothing');

  await drawSeven(page);
  await page.locator(probabilityOf).first().waitFor();
  const raw = new Uint8Array(await download(page, '#save-raw', 'digit.raw'));
  t.equal(raw.length, 784);
  t.ok(
    raw.some((byte) => byte > 200),
    'something was drawn',
  );
  const [expected] = model.predict(raw);
  await page.locator(`tr[data-probability="${expected.probabilities[0]}"]`).waitFor();
  t.same(await shownProbabilities(page), expected.probabilities.map(String));
  t.equal(await page.locator('#label').textContent(), String(expected.label));
  const png = await decodePng(await download(page, '#save-png', 'digit.png'), 'digit.png');
  t.same(toSample(png, 'digit'), raw, 'the PNG is the same picture');

  t.comment('training goes on');
  dashboard.model = { steps: 40, flat: flatOf(second) };
  dashboard.tell(shownNow(40, [shownWorker(0)]));
  await page.getByText('after step 40').waitFor();
  const [otherwise] = later.predict(raw);
  t.not(String(otherwise.probabilities), String(expected.probabilities), 'the models differ');
  await page.locator(`tr[data-probability="${otherwise.probabilities[0]}"]`).waitFor();
  t.same(await shownProbabilities(page), otherwise.probabilities.map(String));

  t.comment('the run is over, and the coordinator gone');
  dashboard.tell({ type: 'over', how: 'finished', reason: '' });
  await page.locator('#live', { hasText: 'the run is over' }).waitFor();
  t.same(complaints, []);
  dashboard.end();
  await dashboard.close();
  await page.getByRole('button', { name: 'Clear' }).click();
  // What the model says changes with the next picture that the browser draws.
  await page.locator('tr[data-probability]').first().waitFor({ state: 'detached' });
  t.same(await shownProbabilities(page), new Array(10).fill(null));
  await page.locator('#pad').focus();
  for (const key of ['ArrowUp', 'ArrowUp', ' ', 'ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowDown', ' ']) {
    await page.keyboard.press(key);
  }
  t.match(await page.locator('#announcement').textContent(), /pen up, column 14, row 16/);
  await page.locator(probabilityOf).first().waitFor();
  const byKeyboard = new Uint8Array(await download(page, '#save-raw', 'digit.raw'));
  t.notSame(byKeyboard, raw, 'another drawing');
  const expectedThen = later.predict(byKeyboard)[0].probabilities.map(String);
  await page.locator(`tr[data-probability="${expectedThen[0]}"]`).waitFor();
  t.same(await shownProbabilities(page), expectedThen);
  await page.locator('#announcement', { hasText: /^It looks like \d/ }).waitFor({ state: 'attached' });
});

t.test('the weights are fetched once a second at most, and only newer ones', async (t) => {
  const browser = await browserFor(t);
  if (browser === null) return;
  const [first] = await trainTwo();
  const dashboard = new FakeDashboard(openingFor(first.run.recipe));
  dashboard.model = { steps: 12, flat: flatOf(first) };
  await dashboard.open();
  t.teardown(() => dashboard.close());
  const { page } = await visit(browser, `${dashboard.url}draw`);
  await page.getByText('after step 12').waitFor();
  for (let i = 0; i < 3; i++) await drawSeven(page);
  t.equal(dashboard.requests.filter((path) => path === '/model').length, 1);
});

t.test('kernels that cannot be loaded at first are asked for again', async (t) => {
  const browser = await browserFor(t);
  if (browser === null) return;
  const [first] = await trainTwo();
  const dashboard = new FakeDashboard(openingFor(first.run.recipe));
  dashboard.model = { steps: 12, flat: flatOf(first) };
  dashboard.refusals.set('/kernels.wasm', 'not just now');
  await dashboard.open();
  t.teardown(() => dashboard.close());
  const { page } = await visit(browser, `${dashboard.url}draw`);
  await page.getByText('the model cannot be had just now').waitFor();
  t.ok(dashboard.requests.includes('/kernels.wasm'));
  dashboard.refusals.clear();
  await page.getByText('after step 12').waitFor();
});

t.test('once the run is over nobody is asked, and what is not the last model says so', async (t) => {
  const browser = await browserFor(t);
  if (browser === null) return;
  const [first] = await trainTwo();
  const dashboard = new FakeDashboard(openingFor(first.run.recipe));
  dashboard.model = { steps: 12, flat: flatOf(first) };
  await dashboard.open();
  t.teardown(() => dashboard.close());
  const { page } = await visit(browser, `${dashboard.url}draw`);
  await page.getByText('after step 12').waitFor();
  dashboard.refusals.set('/model', 'the model cannot be copied just now');
  dashboard.tell(shownNow(60, [shownWorker(0)]), { type: 'over', how: 'finished', reason: '' });
  await page.getByText('after step 12, not the last model').waitFor();
  const asked = () => dashboard.requests.filter((path) => path === '/model').length;
  const before = asked();
  await page.clock.install();
  await page.clock.runFor(5_000);
  await drawSeven(page);
  await page.clock.runFor(1_000);
  await page.locator(probabilityOf).first().waitFor();
  t.equal(asked(), before);
});

t.test('a finger draws', async (t) => {
  const browser = await browserFor(t);
  if (browser === null) return;
  const [first] = await trainTwo();
  const dashboard = new FakeDashboard(openingFor(first.run.recipe));
  dashboard.model = { steps: 12, flat: flatOf(first) };
  await dashboard.open();
  t.teardown(() => dashboard.close());
  const { page } = await visit(browser, `${dashboard.url}draw`, { hasTouch: true });
  await page.getByText('after step 12').waitFor();
  await page.locator('#pad').tap();
  await page.locator(probabilityOf).first().waitFor();
  t.pass('it was predicted');
});

t.test('the page to draw on has nothing that axe-core finds fault with', async (t) => {
  const browser = await browserFor(t);
  if (browser === null) return;
  const [first] = await trainTwo();
  const dashboard = new FakeDashboard(openingFor(first.run.recipe));
  dashboard.model = { steps: 12, flat: flatOf(first) };
  await dashboard.open();
  t.teardown(() => dashboard.close());
  for (const { name, ...look } of looks) {
    const { page, complaints } = await visit(browser, `${dashboard.url}draw`, look);
    await page.getByText('after step 12').waitFor();
    t.same((await faults(page)).lines, [], `${name}, nothing drawn`);
    await drawSeven(page);
    await page.locator(probabilityOf).first().waitFor();
    t.same((await faults(page)).lines, [], name);
    const width = await page.evaluate('document.documentElement.scrollWidth');
    t.ok(Number(width) <= look.viewport.width, `${name}: ${width} pixels wide`);
    await photograph(page, `draw-${name}`);
    t.same(complaints, []);
    await page.context().close();
  }
});
