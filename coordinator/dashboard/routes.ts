/** What is at which path, besides the files of the page. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { classCount } from '../../shared/data/dataset.ts';
import type { Clock } from '../../shared/wire/link.ts';
import { answerData, answerLater, answerLine, commonHeaders } from './answers.ts';
import type { Dashboard } from './dashboard.ts';
import { copyTimeoutMs, ModelCopies } from './model-copies.ts';
import { StreamReader } from './reader.ts';

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** With data of the run: for those alone who may see it. */
export function dataRoutes(
  dashboard: Dashboard,
  keep: (socket: Socket) => void,
  clock: Clock,
): ReadonlyMap<string, Answer> {
  const copies = new ModelCopies();
  return new Map<string, Answer>([
    ['/live', (request, response) => answerLive(dashboard, request, response, keep)],
    ['/model', (_, response) => answerModel(dashboard, copies, clock, response)],
    ['/examples', (request, response) => answerExamples(dashboard, request, response)],
    ['/metrics', metricsRoute(dashboard)],
  ]);
}

/** For whoever looks whether the program is well; they say nothing else. */
export function openRoutes(dashboard: Dashboard): ReadonlyMap<string, Answer> {
  return new Map<string, Answer>([
    ['/healthz', (_, response) => answerLine(response, 200, 'ok')],
    [
      '/readyz',
      (_, response) =>
        dashboard.isBusy ? answerLine(response, 200, 'ready') : answerLater(response, 'not ready'),
    ],
  ]);
}

/** Lines of JSON (feed.ts), until the run is over. */
function answerLive(
  dashboard: Dashboard,
  { method, socket }: IncomingMessage,
  response: ServerResponse,
  keep: (socket: Socket) => void,
): void {
  if (dashboard.live === null) answerLater(response, 'the run has not begun yet');
  else if (!dashboard.hasRoom) answerLater(response, 'too many look at this run already');
  else {
    response.writeHead(200, {
      ...commonHeaders,
      'Content-Type': 'application/x-ndjson; charset=utf-8',
      'Cache-Control': 'no-store',
      Connection: 'close',
    });
    if (method === 'HEAD') {
      response.end();
      return;
    }
    const reader = new StreamReader(response);
    response.once('close', () => dashboard.leave(reader));
    keep(socket);
    dashboard.join(reader);
  }
}

function answerModel({ live }: Dashboard, copies: ModelCopies, clock: Clock, response: ServerResponse): void {
  const copy = live === null ? null : copies.take(live);
  if (copy === null) {
    answerLater(response, 'the model cannot be copied just now');
    return;
  }
  const forget = clock.after(copyTimeoutMs(copy), () => response.destroy());
  response.once('close', () => {
    forget();
    copies.giveBack(copy);
  });
  answerData(response, 'application/octet-stream', copy.bytes, { 'X-Lockstep-Steps': copy.steps });
}

function answerExamples(
  { examples }: Dashboard,
  { url = '' }: IncomingMessage,
  response: ServerResponse,
): void {
  const query = new URLSearchParams(url.split('?')[1] ?? '');
  const [label, prediction] = [classOf(query.get('label')), classOf(query.get('prediction'))];
  if (label === null || prediction === null) {
    const last = classCount - 1;
    answerLine(response, 400, `expected /examples?label=0…${last}&prediction=0…${last}`);
  } else if (examples === null) answerLater(response, 'the test set has not been asked yet');
  else answerData(response, 'application/json', JSON.stringify(examples.of(label, prediction)));
}

function classOf(text: string | null): number | null {
  return text !== null && /^\d{1,3}$/.test(text) && Number(text) < classCount ? Number(text) : null;
}

/** What counts is loaded when it is first asked for. */
function metricsRoute(dashboard: Dashboard): Answer {
  let metrics: Promise<{ type: string; text(): Promise<string> }> | null = null;
  const answer = async (response: ServerResponse): Promise<void> => {
    metrics ??= import('../metrics.ts').then(({ Metrics }) => new Metrics(dashboard));
    const { type, text } = await metrics.then(async (one) => ({ type: one.type, text: await one.text() }));
    answerData(response, type, text);
  };
  return (_, response) => {
    answer(response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  };
}
