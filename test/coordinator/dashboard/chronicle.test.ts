/** Everything to who comes, and then what is new. */
import fc from 'fast-check';
import t from 'tap';
import { Chronicle, eventLength, mostEvents, type Told } from '../../../coordinator/dashboard/chronicle.ts';
import { factsOf } from '../../../coordinator/dashboard/facts.ts';
import type { EpochPoint, FeedMessage, RunEvent, StepPoint } from '../../../coordinator/dashboard/feed.ts';
import { mostPoints } from '../../../coordinator/dashboard/history.ts';
import { readerBytes } from '../../../coordinator/dashboard/reader.ts';
import { anEpoch, aStep, playedRun } from '../../helpers/dashboard.ts';

const seed = 7;
const run = await playedRun();
const facts = factsOf(run, 'played');
const begin = () => new Chronicle({ facts, stepsOfEpoch: 7, epochs: [] });

/** What a page holds that does as it is told (feed.ts). */
class Page {
  points: StepPoint[] = [];
  epochs: EpochPoint[] = [];
  events: RunEvent[] = [];
  confusion: unknown = null;

  take(messages: readonly FeedMessage[]): void {
    for (const message of messages) {
      if (message.type === 'run') {
        this.points = [...message.points];
        this.epochs = [...message.epochs];
        this.events = [...message.events];
        this.confusion = message.confusion;
      } else if (message.type === 'points') {
        this.points = [...this.points.slice(0, message.from), ...message.points];
      } else if (message.type === 'epoch') this.epochs.push(message.epoch);
      else if (message.type === 'event') this.events.push(message.event);
      else if (message.type === 'confusion') this.confusion = message.confusion;
    }
  }
}

t.test('the facts are those of the recipe', (t) => {
  t.match(facts, {
    recipeName: 'played',
    recipe: { batchSize: 16, model: run.recipe.model },
    epochs: 10,
    steps: 7,
    samples: 100,
    kernels: 'wasm',
    parameters: 784 * 6 + 6 + 4 * 6 + 6 * 5 + 5 + 4 * 5 + 5 * 10 + 10,
  });
  t.end();
});

t.test('who was told step by step knows what one knows who comes late', (t) => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          steps: fc.nat({ max: 1500 }),
          epoch: fc.boolean(),
          evaluation: fc.boolean(),
          events: fc.nat({ max: 3 }),
        }),
        { minLength: 1, maxLength: 12 },
      ),
      (bunches) => {
        const chronicle = begin();
        const page = new Page();
        let told: Told | null = null;
        let step = 0;
        let epoch = 0;
        for (const bunch of bunches) {
          for (let i = 0; i < bunch.steps; i++) chronicle.steps([aStep(++step)]);
          if (bunch.evaluation) chronicle.evaluation([[step]], step);
          if (bunch.epoch) chronicle.epoch(anEpoch(++epoch));
          for (let i = 0; i < bunch.events; i++) chronicle.event(step, step, `event ${i}`);
          const news = chronicle.news(told);
          told = news.told;
          page.take(news.messages);
        }
        const late = new Page();
        late.take(chronicle.news(null).messages);
        return JSON.stringify(page) === JSON.stringify(late);
      },
    ),
    { seed, numRuns: 60 },
  );
  t.end();
});

t.test('who knows all is told nothing, and those who know the same know it as one object', (t) => {
  const chronicle = begin();
  chronicle.steps([aStep(1), aStep(2)]);
  const first = chronicle.news(null);
  t.equal(chronicle.news(null).told, first.told);
  t.same(chronicle.news(first.told).messages, []);
  chronicle.steps([aStep(3)]);
  const second = chronicle.news(first.told);
  t.match(second.messages, [{ type: 'points', from: 1, points: [{ step: 2 }, { step: 3 }] }]);
  t.end();
});

t.test('events are the last 200, cut, and without anything that moves a cursor', (t) => {
  const chronicle = begin();
  const { told } = chronicle.news(null);
  for (let i = 0; i < 500; i++) chronicle.event(i, i, `${i} \u001b[31m\u202e\0\n${'😀'.repeat(500)}`);
  const { messages } = chronicle.news(told);
  t.equal(messages.length, mostEvents, 'who was told none before is told those that are left');
  const events = messages.map((message) => (message.type === 'event' ? message.event : null));
  t.equal(events[0]?.step, 300);
  const text = events[0]?.text ?? '';
  t.match(text, /^300 +\[31m 😀/);
  t.equal(text.length, eventLength);
  t.ok(text.isWellFormed());
  t.end();
});

t.test('a run that went on shows the epochs before, on the same clock', (t) => {
  const epochs = [anEpoch(1), anEpoch(2)];
  const chronicle = new Chronicle({ facts, stepsOfEpoch: 7, epochs });
  chronicle.steps([aStep(15, 0.5, 16, 0.01)]);
  const [everything] = chronicle.news(null).messages;
  t.match(everything, {
    epochs: [
      { epoch: 1, seconds: 0.07 },
      { epoch: 2, seconds: 0.14 },
    ],
    points: [{ step: 15, seconds: 0.15 }],
  });
  t.end();
});

t.test(
  'everything at its largest is less than a reader may cost, with room for what is told beside it',
  (t) => {
    const chronicle = begin();
    // Numbers with as many digits as there are, and events of characters that take most bytes.
    for (let step = 1; step <= 2 * mostPoints; step++)
      chronicle.steps([aStep(1e9 + step, -1.2345678901234567e-100 * step, 63, Math.PI * 1e5)]);
    for (let epoch = 1; epoch <= 500; epoch++)
      chronicle.epoch({ ...anEpoch(epoch), loss: -Math.PI * 1e-100, testLoss: -Math.E * 1e-100 });
    for (let i = 0; i < 300; i++) chronicle.event(1e9, 1.7e12, '\ud800"\\€'.repeat(500));
    const [everything] = chronicle.news(null).messages;
    const bytes = Buffer.byteLength(JSON.stringify(everything));
    t.comment(`${bytes} bytes`);
    t.ok(bytes < readerBytes - 200_000, `${bytes} bytes`);
    t.end();
  },
);
