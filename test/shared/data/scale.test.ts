/** How bytes become numbers. */
import t from 'tap';
import { fillScaleTable, type Scale, scaleNames } from '../../../shared/data/scale.ts';

const tableOf = (scale: Scale): Float32Array => {
  const table = new Float32Array(256);
  fillScaleTable(table, scale);
  return table;
};

/** In binary64, from the definitions of the command line. */
const truths: Record<Scale, (x: number) => number> = {
  signed: (x) => (x / 255 - 0.5) * 2,
  standard: (x) => (x / 255 - 0.1307) / 0.3081,
  unit: (x) => x / 255,
};

/**
 * How far the binary32 table may be off: half a unit in the last place for each rounding, of a value up to 1 and up
 * to its largest one. signed: ÷ and − are off by 2⁻²⁵ each, doubled. standard: ÷, 0.1307 and − by 2⁻²⁵, 2⁻²⁷ and
 * 2⁻²⁵, over 0.3081, which is off by 2⁻²⁶ (relative 2⁻²⁴ · 0.82) as ÷ is by 2⁻²³ (values up to 2.83).
 */
const bounds: Record<Scale, number> = {
  signed: 4 * 2 ** -25,
  standard: (2 * 2 ** -25 + 2 ** -27) / 0.3081 + 2.83 * 2 ** -24 + 2 ** -23,
  unit: 2 ** -25,
};

t.test('the names are those of the recipe', (t) => {
  t.same(scaleNames, ['signed', 'standard', 'unit']);
  t.end();
});

for (const scale of scaleNames) {
  t.test(`${scale}: 256 ascending numbers that are the formula’s but for rounding`, (t) => {
    const table = tableOf(scale);
    const errors = [...table].map((value, x) => Math.abs(value - truths[scale](x)));
    t.ok(Math.max(...errors) <= bounds[scale], `${Math.max(...errors)}, at most ${bounds[scale]}`);
    t.ok(table.every((value, x) => x === 0 || value > table[x - 1]));
    t.end();
  });
}

t.test('the ends are exact where the formula is', (t) => {
  const [signed, unit] = [tableOf('signed'), tableOf('unit')];
  t.same([signed[0], signed[255], unit[0], unit[255]], [-1, 1, 0, 1]);
  t.end();
});

t.test('every operation is rounded to binary32, one after the other', (t) => {
  const f = Math.fround;
  const standard = tableOf('standard');
  const once = Float32Array.from(standard, (_, x) => truths.standard(x));
  t.ok(
    standard.some((value, x) => value !== once[x]),
    'rounding once at the end would show',
  );
  for (const x of [0, 1, 33, 128, 254, 255]) {
    const centred = f(f(x / 255) - f(0.1307));
    t.equal(standard[x], f(centred / f(0.3081)), String(x));
    t.equal(tableOf('signed')[x], f(f(f(x / 255) - 0.5) * 2), String(x));
  }
  t.end();
});
