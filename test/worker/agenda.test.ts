import t from 'tap';
import { Agenda } from '../../worker/agenda.ts';

const node = (lo: number, hi: number) => ({ lo, hi });

t.test('what is asked for waits for its step, and is handed out once, nodes before evaluations', (t) => {
  const agenda = new Agenda();
  const evaluation = { step: 7, from: 0, to: 3 };
  agenda.evaluate(evaluation);
  agenda.assign(7, [node(0, 4)]);
  agenda.assign(7, [node(6, 8), node(8, 9)]);
  agenda.assign(8, [node(4, 8)]);
  t.equal(agenda.take(6), null);
  t.same(agenda.take(7), { kind: 'nodes', nodes: [node(0, 4), node(6, 8), node(8, 9)] });
  t.same(agenda.take(7), { kind: 'evaluation', evaluation });
  t.equal(agenda.take(7), null);
  t.same(agenda.take(8), { kind: 'nodes', nodes: [node(4, 8)] });
  t.end();
});

t.test('steps that are over are forgotten, those to come are not', (t) => {
  const agenda = new Agenda();
  for (const step of [3, 4]) {
    agenda.assign(step, [node(0, step)]);
    agenda.evaluate({ step, from: 0, to: step });
  }
  agenda.forgetBefore(4);
  t.equal(agenda.take(3), null);
  t.match(agenda.take(4), { kind: 'nodes' });
  t.match(agenda.take(4), { kind: 'evaluation' });
  t.end();
});

t.test('nothing is left of an agenda that is cleared', (t) => {
  const agenda = new Agenda();
  agenda.assign(3, [node(0, 1)]);
  agenda.evaluate({ step: 3, from: 0, to: 1 });
  agenda.clear();
  t.equal(agenda.take(3), null);
  t.end();
});
