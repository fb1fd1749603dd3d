/** What a session makes of a connection that breaks while it is being made. */
import t from 'tap';
import { LockstepError } from '../../shared/errors.ts';
import { systemClock, type WorkerLink } from '../../shared/wire/link.ts';
import type { ToCoordinator } from '../../shared/wire/messages.ts';
import { Session } from '../../worker/session.ts';
import { helloOf } from '../helpers/workers.ts';

t.test(
  'a bulk connection that cannot be opened is a lost connection, after which a worker comes back',
  async (t) => {
    for (const code of ['CONNECTION', 'REFUSED'] as const) {
      const sent: ToCoordinator['type'][] = [];
      let isDestroyed = false;
      const link: WorkerLink = {
        address: '127.0.0.1:1',
        bufferedBytes: 0,
        send: ({ type }) => void sent.push(type),
        sendFrame: () => {},
        whenBelow: (_, callback) => queueMicrotask(callback),
        openBulk: () => Promise.reject(new LockstepError(code, 'no way')),
        close: () => {},
        destroy: () => {
          isDestroyed = true;
        },
      };
      const session = new Session(link, {
        clock: systemClock,
        hello: helloOf(1, 1),
        payloadBytes: () => 64,
        prepare: () => Promise.reject(new Error('nothing is to be prepared')),
      });
      const samples = { train: 1, test: 1 };
      const welcome = { version: '1', run: 1, ticket: 'ticket', name: 'worker', recipe: '{}', samples };
      session.message({ type: 'welcome', ...welcome });
      t.match(await session.ended, { kind: 'lost', reason: 'no way' });
      t.ok(isDestroyed);
      t.same(sent, ['hello'], 'and no farewell');
    }
  },
);
