/** The layers of a model as a table. */
import type { LayerFacts } from '../layer-facts.ts';
import { type Column, table } from '../table.ts';
import { shortened } from '../text-width.ts';
import { grouped } from './screen.ts';

const columnsOfFlops = 60;
const shortestLayer = 8;
const units = [
  { name: 'k', size: 1e3 },
  { name: 'M', size: 1e6 },
  { name: 'G', size: 1e9 },
] as const;

/** A row a layer, and what they are in all; texts of layers are shortened where a line would be wider. */
export function layerLines(layers: readonly LayerFacts[], columns: number): string[] {
  const rows = [
    ...layers.map(({ layer, output, parameters, flops }) => [
      layer,
      output.join('×'),
      grouped(parameters),
      countText(flops?.forward),
      countText(flops?.backward),
    ]),
    [
      'in all',
      '',
      ...[({ parameters }: LayerFacts) => parameters].map((of) => grouped(sumOf(layers, of))),
      ...(['forward', 'backward'] as const).map((way) =>
        countText(sumOf(layers, ({ flops }) => flops?.[way] ?? 0)),
      ),
    ],
  ];
  const titles = ['layer', 'output', 'parameters', 'forward', 'backward'];
  const count = columns < columnsOfFlops ? 3 : titles.length;
  const aligned = titles
    .slice(0, count)
    .map((title, i): Column => ({ title, align: i === 0 ? 'left' : 'right' }));
  const numberWidth = String(layers.length - 1).length;
  const others = aligned
    .slice(1)
    .reduce(
      (sum, { title }, i) => sum + 1 + Math.max(title.length, ...rows.map((row) => row[i + 1].length)),
      0,
    );
  const room = Math.max(shortestLayer, columns - others - numberWidth - 2);
  return table(
    aligned,
    rows.map(([layer, ...cells], i) => [
      i === layers.length ? layer : `${String(i).padStart(numberWidth)}  ${shortened(layer, room)}`,
      ...cells.slice(0, count - 1),
    ]),
    columns,
    false,
  );
}

/** `401 k`, `1.26 G`: about three digits; a dot where nothing is counted. */
export function countText(count: number | undefined): string {
  if (count === undefined) return '·';
  const unit = units.findLast(({ size }) => count >= size);
  if (unit === undefined) return String(count);
  const scaled = count / unit.size;
  return `${scaled.toFixed(scaled < 10 ? 2 : scaled < 100 ? 1 : 0)} ${unit.name}`;
}

function sumOf(layers: readonly LayerFacts[], of: (layer: LayerFacts) => number): number {
  return layers.reduce((sum, layer) => sum + of(layer), 0);
}
