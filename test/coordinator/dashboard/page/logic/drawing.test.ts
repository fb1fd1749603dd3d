/** What a pen leaves. */
import t from 'tap';
import { Drawing, drawingSide } from '../../../../../coordinator/dashboard/page/logic/drawing.ts';

const sum = ({ image }: Drawing): number => image.values.reduce((sum, value) => sum + value, 0);

t.test('a dot is a disc around its point, as bright as can be inside', (t) => {
  const drawing = new Drawing();
  t.ok(drawing.isEmpty);
  drawing.line({ x: 112, y: 60 }, { x: 112, y: 60 });
  t.notOk(drawing.isEmpty);
  const at = (x: number, y: number) => drawing.image.values[y * drawingSide + x];
  t.same([at(112, 60), at(112, 52), at(112, 49), at(112, 71)], [255, 255, 0, 0]);
  t.same([at(104, 60), at(119, 59)], [at(119, 60), at(104, 59)], 'it is round');
  const area = sum(drawing) / 255;
  t.ok(Math.abs(area - Math.PI * 81) < 0.02 * Math.PI * 81, `${area} pixels`);
  t.end();
});

t.test('a line covers the same whether it is drawn at once, in parts, or back', (t) => {
  const [once, parts, back] = [new Drawing(), new Drawing(), new Drawing()];
  once.line({ x: 20, y: 30 }, { x: 180, y: 30 });
  for (let x = 20; x < 180; x += 16) parts.line({ x, y: 30 }, { x: x + 16, y: 30 });
  back.line({ x: 180, y: 30 }, { x: 20, y: 30 });
  t.same(parts.image.values, once.image.values);
  t.same(back.image.values, once.image.values);
  t.end();
});

t.test('what goes over the edge is cut off, and clearing leaves nothing', (t) => {
  const drawing = new Drawing();
  drawing.line({ x: -50, y: 5 }, { x: 400, y: 5 });
  t.ok(sum(drawing) > 0);
  t.ok(drawing.image.values.every((value) => value >= 0 && value <= 255));
  drawing.line({ x: -500, y: -500 }, { x: -400, y: -400 });
  drawing.clear();
  t.ok(drawing.isEmpty);
  t.equal(sum(drawing), 0);
  drawing.line({ x: -500, y: -500 }, { x: -400, y: -400 });
  t.ok(drawing.isEmpty, 'what nobody can see is nothing');
  t.end();
});
