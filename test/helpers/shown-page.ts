/** The page in a browser, told by a stand-in of the coordinator's dashboard. */
import type { Browser, Page } from 'playwright-core';
import type { Test } from 'tap';
import type { FeedMessage } from '../../coordinator/dashboard/feed.ts';
import { type Visit, visit } from './chromium.ts';
import { FakeDashboard } from './fake-dashboard.ts';

export async function shown(
  t: Test,
  browser: Browser,
  opening: readonly FeedMessage[],
  token: string | null = null,
): Promise<Visit & { readonly dashboard: FakeDashboard }> {
  const dashboard = new FakeDashboard(opening, token);
  await dashboard.open();
  t.teardown(() => dashboard.close());
  return { dashboard, ...(await visit(browser, dashboard.url)) };
}

/** The texts of elements, in order. */
export function texts(page: Page, selector: string): Promise<string[]> {
  return page.locator(selector).allTextContents();
}

/** Waits until an element has a text. */
export async function settled(page: Page, id: string, text: string | RegExp): Promise<void> {
  await page.locator(`#${id}`, { hasText: text }).waitFor({ state: 'attached' });
}
