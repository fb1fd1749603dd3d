/** Colours of the page against each other: text has a contrast of 4.5, lines and marks of 3 (WCAG 2.2, 1.4.3 and 1.4.11). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { phases } from '../../../../shared/timeline.ts';

const css = readFileSync(join(process.cwd(), 'coordinator/dashboard/page/style/theme.css'), 'utf8');
const [lightText, darkText] = css.split('@media');

function coloursOf(text: string): Map<string, string> {
  return new Map([...text.matchAll(/--([\w-]+): (#[\da-f]{6});/g)].map(([, name, value]) => [name, value]));
}

/** Relative luminance (WCAG 2.2). */
function luminance(colour: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const share = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: string, other: string): number {
  const [low, high] = [luminance(one), luminance(other)].toSorted((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

const texts = [
  ...['text', 'muted', 'accent', 'bad', 'good'].flatMap((name) => [`${name} panel`, `${name} ground`]),
  ...['good', 'new', 'warning', 'bad'].map((name) => `${name} ${name}-ground`),
  'on-accent accent',
  'text hover',
  ...phases.map((phase) => `phase-ink ${phase}`),
];
const lines = [
  ...['train', 'train-faint', 'test', 'speed', 'speed-faint', 'edge', 'accent'].map(
    (name) => `${name} panel`,
  ),
  'edge ground',
  'accent grid',
  'train grid',
];

const light = coloursOf(lightText);
const themes = { light, dark: new Map([...light, ...coloursOf(darkText)]) };

for (const [theme, colours] of Object.entries(themes)) {
  const ofPair = (pair: string): number => {
    const [one, other] = pair.split(' ').map((name) => colours.get(name));
    if (one === undefined || other === undefined) throw new Error(`${pair}: there is no such colour`);
    return contrast(one, other);
  };
  t.test(`in the ${theme} theme what is read or told apart stands out`, async (t) => {
    for (const pair of texts) t.ok(ofPair(pair) >= 4.5, `${pair}: ${ofPair(pair).toFixed(2)}`);
    for (const pair of lines) t.ok(ofPair(pair) >= 3, `${pair}: ${ofPair(pair).toFixed(2)}`);
    for (const phase of phases) {
      const most = Math.max(ofPair(`${phase} panel`), ofPair('phase-edge panel'));
      t.ok(most >= 3, `${phase}, or its outline: ${most.toFixed(2)}`);
    }
  });
}

t.test('the judge knows black from white', async (t) => {
  t.equal(contrast('#000000', '#ffffff'), 21);
});
