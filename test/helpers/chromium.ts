/** A browser to try the page in: Chromium, where it is installed. */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import type { Test } from 'tap';

const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const flags = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
  ...['--disable-component-update', '--disable-sync'],
];

/** For one test in the browser; a busy machine is slow to start one. */
const deadlineMs = 110_000;

/** Looks that the page must be good in. */
export const looks = [
  { name: 'light-360', colorScheme: 'light', viewport: { width: 360, height: 760 } },
  { name: 'dark-360', colorScheme: 'dark', viewport: { width: 360, height: 760 } },
  { name: 'light-1440', colorScheme: 'light', viewport: { width: 1440, height: 900 } },
  { name: 'dark-1440', colorScheme: 'dark', viewport: { width: 1440, height: 900 } },
] as const;

/** A browser that ends with the test; null where there is none, which is said. */
export async function browserFor(t: Test): Promise<Browser | null> {
  const executablePath = places.find(existsSync);
  if (executablePath === undefined) {
    t.comment(`NO BROWSER: none of ${places.join(', ')} is here, so the page was not tried in one`);
    t.pass('there is no browser here');
    return null;
  }
  const browser = await chromium.launch({ executablePath, args: flags });
  t.setTimeout(deadlineMs);
  t.teardown(() => browser.close());
  return browser;
}

/** A page that notes whatever it complains of. */
export interface Visit {
  readonly page: Page;
  readonly complaints: string[];
}

export async function visit(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Visit> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => {
    if (!/^(?:http:\/\/127\.0\.0\.1:|https:\/\/localhost:|blob:|data:)/.test(request.url()))
      complaints.push(`a request elsewhere: ${request.url()}`);
  });
  await page.goto(url);
  return { page, complaints };
}

/** Where pictures of what was shown are put, to be looked at. */
export async function photograph(page: Page, name: string): Promise<void> {
  const folder = join(process.cwd(), '.bench', 'screenshots');
  mkdirSync(folder, { recursive: true });
  await page.evaluate('scrollTo(0, 0)');
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}
