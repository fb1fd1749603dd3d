/** How the page looks and reads: on a phone and on a wide screen, light and dark, for eyes and for screen readers. */
import t from 'tap';
import { faults } from '../../../helpers/axe.ts';
import { browserFor, looks, photograph, visit } from '../../../helpers/chromium.ts';
import { FakeDashboard } from '../../../helpers/fake-dashboard.ts';
import { busyRun } from '../../../helpers/shown-run.ts';

t.test('the page has nothing that axe-core finds fault with, nor more width than there is', async (t) => {
  const browser = await browserFor(t);
  if (browser === null) return;
  const dashboard = new FakeDashboard(busyRun());
  await dashboard.open();
  t.teardown(() => dashboard.close());
  for (const { name, ...look } of looks) {
    const { page, complaints } = await visit(browser, dashboard.url, look);
    await page.locator('.steps canvas[aria-label]').waitFor();
    await page.locator('.matrix button').first().click();
    for (const summary of await page.locator('.as-table summary').all()) await summary.click();
    const { lines, passes } = await faults(page);
    t.same(lines, [], name);
    t.ok(passes > 20, `${passes} rules were looked at`);
    for (const summary of await page.locator('.as-table summary').all()) await summary.click();
    const width = await page.evaluate('document.documentElement.scrollWidth');
    t.ok(Number(width) <= look.viewport.width, `${name}: ${width} pixels wide`);
    await page.mouse.move(0, 0);
    await photograph(page, `run-${name}`);
    t.same(complaints, []);
    await page.context().close();
  }
});
