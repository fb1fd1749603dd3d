/** What axe-core finds fault with in a page. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Found {
  readonly violations: readonly {
    readonly id: string;
    readonly nodes: readonly { readonly html: string }[];
  }[];
  readonly passes: readonly unknown[];
}

/** One line for each fault, and how many rules were met. */
export async function faults(page: Page): Promise<{ lines: string[]; passes: number }> {
  await page.evaluate(axe);
  const { violations, passes } = (await page.evaluate('axe.run()')) as Found;
  const lines = violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
  return { lines, passes: passes.length };
}
