/** The page of a run in a browser: what it shows, how it is used, what it does when it is cut off. */
import t from 'tap';
import { browserFor, photograph, visit } from '../../../helpers/chromium.ts';
import { FakeDashboard } from '../../../helpers/fake-dashboard.ts';
import { hostileNames } from '../../../helpers/hostile-names.ts';
import { hostileTexts } from '../../../helpers/hostile-texts.ts';
import { settled, shown, texts } from '../../../helpers/shown-page.ts';
import {
  busyRun,
  shownConfusion,
  shownEpochs,
  shownFacts,
  shownNow,
  shownPoints,
  shownRun,
  shownWorker,
} from '../../../helpers/shown-run.ts';

t.test('a page', async (t) => {
  const browser = await browserFor(t);
  if (browser === null) return;

  await t.test('shows the numbers that it was told', async (t) => {
    const { dashboard, page, complaints } = await shown(t, browser, busyRun());
    await settled(page, 'fact-step', '4,312');
    await settled(page, 'fact-steps', 'of 9,380');
    t.equal(await page.title(), '45 % · mnist · Lockstep');
    t.same(await texts(page, '#activity'), ['training']);
    t.same(await texts(page, '#fact-epoch, #fact-loss, #fact-test, #fact-speed, #fact-workers'), [
      '5 / 10',
      '0.08123',
      '97.42 %',
      '30,416',
      '3',
    ]);
    t.same(await texts(page, '#workers tbody th'), ['mara', 'otto', 'ines', 'jonas']);
    t.same(await texts(page, '#workers .state'), ['working', 'late', 'silent', 'gone']);
    t.same(await texts(page, '#workers tbody tr:nth-child(2) td.number'), [
      '1',
      '2,114',
      '812 ms',
      '2 s ago',
      '2',
    ]);
    const jonas = page.locator('#workers tbody tr:nth-child(4)');
    t.same(
      await jonas.locator('td.number').allTextContents(),
      ['–', '–', '–', '–', '2'],
      'gone, so not here',
    );
    t.equal(await jonas.locator('th').getAttribute('title'), 'w3');
    t.equal(await page.locator('.matrix button').count(), 100);
    t.same(await texts(page, '.matrix tr:nth-child(7) button'), [
      '0',
      '0',
      '0',
      '0',
      '0',
      '0',
      '1000',
      '0',
      '0',
      '0',
    ]);

    await page.locator('#loss-chart summary').click();
    const rows = page.locator('#loss-chart tbody tr');
    // What is opened is filled a moment later.
    await rows.first().waitFor();
    t.equal(await rows.count(), 50, 'thinned');
    const [first] = shownPoints(8, 8);
    const of = (values: readonly number[]) => values.map((value) => String(Number(value.toPrecision(4))));
    t.same(await rows.first().locator('th, td').allTextContents(), [
      '8',
      ...of([first.lossMin, first.lossMax, first.loss, first.loss]),
      '',
    ]);

    t.comment('a second epoch is told as points, and as a number');
    const [epoch] = shownEpochs(5).slice(4);
    dashboard.tell({ type: 'epoch', epoch }, shownNow(4_690, [shownWorker(0)], { activity: 'evaluating' }));
    await settled(page, 'activity', 'evaluating');
    await settled(page, 'fact-test', `${(100 * epoch.testAccuracy).toFixed(2)} %`);
    t.same(await texts(page, '#workers tbody th'), ['mara'], 'who is not told of any more is not shown');
    t.same(complaints, []);
  });

  await t.test('shows what happens while it looks: a worker that dies, the end', async (t) => {
    const workers = [shownWorker(0), shownWorker(1)];
    const { dashboard, page, complaints } = await shown(t, browser, [
      shownRun(0),
      shownNow(0, workers, {
        activity: 'waiting',
        waitingFor: 'waiting for 1 more worker',
        loss: null,
        secondsLeft: null,
      }),
    ]);
    await settled(page, 'activity', 'waiting for 1 more worker');
    dashboard.tell(shownNow(7, workers));
    await settled(page, 'activity', 'training');
    dashboard.tell(shownNow(8, [workers[0], shownWorker(1, { state: 'gone', rank: null, share: null })]), {
      type: 'event',
      event: { step: 8, atMs: 1e12, text: 'otto is gone' },
    });
    await settled(page, 'workers', 'gone');
    t.equal(await page.locator('.events li').count(), 1);
    dashboard.tell({ type: 'over', how: 'failed', reason: 'the loss of step 9 is not finite' });
    await settled(page, 'reason', 'the loss of step 9 is not finite');
    t.same(await texts(page, '#activity, #live'), ['failed', 'the run is over']);
    t.same(complaints, []);
  });

  await t.test('shows a hundred hostile names as text', async (t) => {
    const names = hostileNames();
    const deeds = hostileTexts(100);
    const workers = names.map((name, i) => shownWorker(i, { name, id: name }));
    const events = deeds.map((text, step) => ({ step, atMs: 1e12, text }));
    const facts = { ...shownFacts, recipeName: names[0], model: names[1], recipe: { '<b>x</b>': names[2] } };
    const { page, complaints } = await shown(t, browser, [
      shownRun(0, { events, facts }),
      shownNow(1, workers, { activity: 'waiting', waitingFor: names[3] }),
    ]);
    await settled(page, 'fact-workers', '100');
    t.same(await texts(page, '#workers tbody th'), names);
    t.same(await texts(page, '.events .what'), deeds.toReversed());
    t.same(await texts(page, '#recipe-name, #activity'), [names[0], names[3]]);
    t.equal(
      await page
        .locator(
          'main script, main iframe, main img, main svg[onload], main h1, main a, main style, main b:not(.phase)',
        )
        .count(),
      0,
    );
    t.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true);
    await photograph(page, 'run-hostile');
    t.same(complaints, []);
  });

  await t.test('says that it is not live, and is again when it can be', async (t) => {
    const { dashboard, page } = await shown(t, browser, busyRun());
    await settled(page, 'live', /^live$/);
    await dashboard.close();
    await settled(page, 'live', /^not live since \d\d:\d\d:\d\d, trying again$/);
    t.ok(await page.evaluate("document.body.classList.contains('not-live')"));
    await photograph(page, 'run-not-live');
    dashboard.opening = [shownRun(4_800), shownNow(4_800, [shownWorker(0)])];
    await dashboard.open();
    await settled(page, 'live', /^live$/);
    await settled(page, 'fact-step', '4,800');
    t.equal(dashboard.readers, 1, 'with one connection');
  });

  await t.test('takes up a stream that ends in the middle of a message', async (t) => {
    const { dashboard, page } = await shown(t, browser, busyRun());
    await settled(page, 'live', /^live$/);
    const before = dashboard.requests.filter((path) => path === '/live').length;
    dashboard.end();
    await settled(page, 'live', /^not live/);
    await settled(page, 'live', /^live$/);
    t.equal(dashboard.requests.filter((path) => path === '/live').length, before + 1);
  });

  await t.test('tries at once when the network is back', async (t) => {
    const { dashboard, page } = await shown(t, browser, busyRun());
    await settled(page, 'live', /^live$/);
    await dashboard.close();
    await settled(page, 'live', /^not live/);
    // By now it waits for seconds between attempts.
    await settled(page, 'live-age', /^[4-9] s ago$/);
    await dashboard.open();
    await page.evaluate("dispatchEvent(new Event('online'))");
    await settled(page, 'live', /^live$/);
    t.pass('it is live');
  });

  await t.test('is used by keyboard: charts, choices, the matrix', async (t) => {
    const { dashboard, page, complaints } = await shown(t, browser, busyRun());
    const image = Buffer.alloc(784, 200).toString('base64');
    const samples = Array.from({ length: 14 }, (_, sample) => ({ sample, image }));
    dashboard.examples.set('6,6', { epoch: 4, step: 3752, count: 1000, samples });
    await settled(page, 'fact-step', '4,312');
    await page.locator('#loss-chart .plot').focus();
    const heard = page.locator('#announcement');
    await page.keyboard.press('Home');
    const [first, second] = shownPoints(16, 8);
    t.equal(
      await heard.textContent(),
      `step 8: train ${first.loss.toPrecision(4)}, train (smoothed) ${first.loss.toPrecision(4)}, test –`,
    );
    await page.keyboard.press('ArrowRight');
    t.match(await heard.textContent(), `step 16: train ${second.loss.toPrecision(4)}`);
    await page.keyboard.press('End');
    t.match(await heard.textContent(), /^step 4,312: .* test 0\.1214$/);

    await page.locator('input[name=axis][value=step]').focus();
    await page.keyboard.press('ArrowRight');
    await settled(page, 'loss-chart', 'epoch 4.6');
    await page.keyboard.press('ArrowRight');
    await settled(page, 'loss-chart', 'after 9.1 s');
    await page.locator('#logarithmic').focus();
    await page.keyboard.press('Space');
    t.ok(await page.locator('#logarithmic').isChecked());

    t.equal(await page.locator('.matrix button[tabindex="0"]').count(), 1, 'one stop of the tab key');
    await page.locator('.matrix button[tabindex="0"]').focus();
    for (let i = 0; i < 6; i++) {
      await page.keyboard.press('ArrowDown');
      await page.keyboard.press('ArrowRight');
    }
    t.equal(await page.locator('.matrix button[tabindex="0"]').count(), 1);
    await page.keyboard.press('Enter');
    await page.locator('#examples canvas').first().waitFor();
    t.equal(await page.locator('#examples canvas').count(), 12);
    t.equal(await heard.textContent(), '6 predicted as 6: 12 of 1,000, after step 3,752');
    await photograph(page, 'run-examples');
    const grey = await page.evaluate(
      "[...document.querySelector('#examples canvas').getContext('2d').getImageData(5, 5, 1, 1).data]",
    );
    t.same(grey, [200, 200, 200, 255]);
    const pressed = page.locator('.matrix button[aria-pressed=true]');
    t.same(await pressed.allTextContents(), ['1000']);

    t.comment('the next evaluation brings other examples, and says nothing of it');
    dashboard.examples.set('6,6', { epoch: 5, step: 4690, count: 999, samples });
    dashboard.tell({ type: 'confusion', confusion: shownConfusion(5) });
    await settled(page, 'examples', '6 predicted as 6: 12 of 999, after step 4,690');
    await settled(page, 'confusion-note', 'after step 4,690');
    t.equal(await heard.textContent(), '6 predicted as 6: 12 of 1,000, after step 3,752');
    t.same(complaints, []);

    dashboard.tell({ type: 'over', how: 'finished', reason: '' });
    await settled(page, 'live', 'the run is over');
    await dashboard.close();
    await page.keyboard.press('Enter');
    await settled(page, 'examples', 'The run is over: examples can be had only while');
  });

  await t.test('draws nothing while it is hidden, and everything when it is seen again', async (t) => {
    const { dashboard, page, complaints } = await shown(t, browser, busyRun());
    await settled(page, 'fact-step', '4,312');
    const turn = (isHidden: boolean) =>
      page.evaluate(
        `Object.defineProperty(document, 'hidden', { value: ${isHidden}, configurable: true });` +
          "document.dispatchEvent(new Event('visibilitychange'))",
      );
    await turn(true);
    dashboard.tell(shownNow(4_400, [shownWorker(0)]), { type: 'over', how: 'finished', reason: '' });
    await settled(page, 'live', 'the run is over'); // so both have come
    t.same(await texts(page, '#activity, #fact-step'), ['training', '4,312']);
    await turn(false);
    await settled(page, 'fact-step', '4,400');
    t.same(await texts(page, '#activity'), ['finished']);
    t.same(complaints, []);
  });
});

t.test('the token', async (t) => {
  const browser = await browserFor(t);
  if (browser === null) return;
  const token = 'correct-horse-battery';

  await t.test('in the link is used, and taken out of the address', async (t) => {
    const dashboard = new FakeDashboard(busyRun(), token);
    await dashboard.open();
    t.teardown(() => dashboard.close());
    const { page, complaints } = await visit(browser, `${dashboard.url}#token=${token}`);
    await settled(page, 'live', /^live$/);
    t.equal(page.url(), dashboard.url);
    await page.getByRole('link', { name: 'Draw a digit' }).click();
    await settled(page, 'live', /^live$/);
    t.equal(page.url(), `${dashboard.url}draw`, 'the other page knows it, too');
    t.notOk(dashboard.requests.some((path) => path.includes(token)));
    t.same(
      complaints.filter((text) => !text.includes('503')),
      [],
    );
  });

  await t.test('is asked for where there is none or a wrong one', async (t) => {
    const { page } = await shown(t, browser, busyRun(), token);
    const input = page.getByLabel('Token', { exact: true }).and(page.locator('input'));
    await input.fill('wrong-horse');
    await page.keyboard.press('Enter');
    await page.getByText('is not the one of this run').waitFor();
    await input.fill(token);
    await page.getByRole('button', { name: 'Show the run' }).click();
    await settled(page, 'live', /^live$/);
    t.ok(await page.locator('#fact-step').isVisible());
  });
});

t.test('without JavaScript one line says that it is needed', async (t) => {
  const browser = await browserFor(t);
  if (browser === null) return;
  const dashboard = new FakeDashboard([]);
  await dashboard.open();
  t.teardown(() => dashboard.close());
  for (const path of ['', 'draw']) {
    const { page } = await visit(browser, `${dashboard.url}${path}`, { javaScriptEnabled: false });
    t.match(await page.locator('noscript').textContent(), /needs JavaScript/);
    t.ok(await page.locator('noscript').isVisible());
  }
});
