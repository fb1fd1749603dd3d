/** What a coordinator shows of its workers. */
import t from 'tap';
import type { FleetEvent } from '../../../coordinator/fleet.ts';
import { commandLines, FleetView } from '../../../scripts/commands/fleet-view.ts';
import type { Listening } from '../../../scripts/commands/listening.ts';
import { Screen } from '../../../scripts/commands/screen.ts';
import { TrainView } from '../../../scripts/commands/train-view.ts';
import type { Invitation } from '../../../scripts/invitation.ts';
import { FakeTerminal } from '../../helpers/terminal.ts';

const listening: Listening = {
  listen: { host: '0.0.0.0', port: 7077 },
  token: null,
  tls: null,
  threads: 0,
  workers: 2,
  minWorkers: 1,
  workerTimeoutMs: 600_000,
  stepTimeoutMs: 4_000,
  stateFolder: '/home/mara/.local/state/lockstep',
  isInTheOpen: false,
};
const invitation: Invitation = {
  url: 'wss://10.0.0.5:7077',
  fingerprint: `sha256:${'ab'.repeat(32)}`,
  token: '0123456789abcdef0123456789abcdef',
  isTokenNew: true,
  isInsecure: false,
};

function shown(act: (view: FleetView) => void, changes: Partial<Listening> = {}, columns = 80): string[] {
  const terminal = new FakeTerminal(columns, false);
  const screen = new Screen(terminal.stream, false);
  act(new FleetView(screen, new TrainView(screen), { ...listening, ...changes }));
  return terminal.lines.slice(0, -1);
}

t.test('the command fits 80 columns, and is the same words however it is cut', (t) => {
  const lines = commandLines(invitation, 80);
  t.same(lines, [
    'LOCKSTEP_TOKEN=0123456789abcdef0123456789abcdef \\',
    '  npm exec --no -- lockstep worker wss://10.0.0.5:7077 --fingerprint \\',
    `  ${invitation.fingerprint}`,
  ]);
  t.ok(lines.every((line) => line.length + 2 <= 80));
  const whole = commandLines(invitation, Number.POSITIVE_INFINITY);
  t.equal(whole.length, 1, 'one line where nobody cuts it');
  for (const columns of [40, 80, 120]) {
    t.equal(
      commandLines(invitation, columns)
        .join('\n')
        .replaceAll(/ \\\n */g, ' '),
      whole[0],
    );
  }
  t.same(
    commandLines({ ...invitation, fingerprint: null, isTokenNew: false, isInsecure: true }, 80),
    ['npm exec --no -- lockstep worker wss://10.0.0.5:7077 --insecure'],
    'a token of the user is not shown, and what a worker must say is said',
  );
  t.end();
});

t.test('a URL that a shell would take for a pattern is quoted', (t) => {
  const [line] = commandLines(
    { ...invitation, url: 'ws://[::1]:7319', fingerprint: null, isTokenNew: false },
    80,
  );
  t.equal(line, 'npm exec --no -- lockstep worker "ws://[::1]:7319"');
  t.end();
});

t.test('this machine is what loopback is, not what begins like it', (t) => {
  for (const [host, where] of [
    ['127.0.0.1', 'this machine'],
    ['[::1]', 'this machine'],
    ['localhost', 'this machine'],
    ['127.evil.com', 'other machines'],
    ['localhost.evil.com', 'other machines'],
  ]) {
    const [first] = shown((view) => view.invite({ ...invitation, url: `ws://${host}:7077` }));
    t.equal(first, `Workers may join now. To start one on ${where}:`);
  }
  t.end();
});

t.test('how to join: where the certificate is, and what travels in the open', (t) => {
  const lines = shown((view) => view.invite(invitation));
  t.equal(lines[0], 'Workers may join now. To start one on other machines:');
  t.match(lines[2], /^ {2}LOCKSTEP_TOKEN=.* --fingerprint sha256:/);
  t.equal(lines[4], "The certificate is this coordinator's own, in /home/mara/.local/state/lockstep.");
  const open = shown(
    (view) => view.invite({ ...invitation, isTokenNew: false, url: 'ws://127.0.0.1:7077' }),
    {
      stateFolder: null,
      isInTheOpen: true,
    },
  );
  t.equal(
    open[0],
    'Workers may join now. To start one on this machine, with LOCKSTEP_TOKEN set as it is here:',
  );
  t.equal(open.at(-1), '--insecure: token, data and model travel in the open.');
  t.notMatch(open.join('\n'), invitation.token);
  t.end();
});

const mara = { name: 'mara', address: '10.0.0.7:51234', step: 56 };
const told = (...events: FleetEvent[]) =>
  shown((view) => {
    for (const event of events) view.event(event);
  });

t.test('a line for each that comes or goes, with who is left', (t) => {
  t.same(
    told(
      { kind: 'waiting', workers: 0, needed: 2 },
      { ...mara, kind: 'joined', threads: 2, kernels: 'wasm', isBack: false, step: 0, workers: 1 },
      { kind: 'enough', workers: 2, step: 0 },
      { ...mara, kind: 'late', reason: 'it has owed shards 4–7 for 4000 ms; others compute it', workers: 1 },
      {
        ...mara,
        kind: 'out of step',
        reason: 'its replica before step 57 is not that of all others',
        workers: 1,
      },
      { ...mara, kind: 'back', workers: 2 },
      { ...mara, kind: 'behind', reason: 'its connection takes less than the run sends', workers: 1 },
      { ...mara, kind: 'left', reason: 'interrupted', workers: 0 },
      { kind: 'waiting', workers: 0, needed: 1 },
      { ...mara, kind: 'joined', threads: 1, kernels: 'exact', isBack: true, workers: 1 },
      { kind: 'enough', workers: 1, step: 56 },
      { ...mara, kind: 'died', reason: 'the connection was lost', workers: 0 },
      { ...mara, kind: 'refused', reason: 'the run is over', workers: 0 },
    ),
    [
      'waiting for 2 more workers, at most 10:00',
      'mara (10.0.0.7:51234) joined: 2 threads, wasm kernels; 1 worker now',
      'starting with 2 workers',
      'mara (10.0.0.7:51234) late: it has owed shards 4–7 for 4000 ms; others compute it; 1 worker now',
      'mara (10.0.0.7:51234) out of step: its replica before step 57 is not that of all others; 1 worker now',
      'mara (10.0.0.7:51234) is back; 2 workers now',
      'mara (10.0.0.7:51234) behind: its connection takes less than the run sends; 1 worker now',
      'mara (10.0.0.7:51234) left: interrupted; 0 workers now',
      'waiting for 1 more worker, at most 10:00',
      'mara (10.0.0.7:51234) is back: 1 thread, exact kernels; 1 worker now',
      'going on with 1 worker',
      'mara (10.0.0.7:51234) lost: the connection was lost; 0 workers now',
      'mara (10.0.0.7:51234) refused: the run is over',
    ],
  );
  t.end();
});

t.test('who is thrown out is told of once, with what it did', (t) => {
  const reason = 'it sent the partial of exchange 0, which is not its own';
  t.same(
    told(
      { ...mara, kind: 'thrown out', reason, workers: 2 },
      { ...mara, kind: 'died', reason, workers: 1 },
      { kind: 'conflict', name: 'mara', reason: 'the partial of exchange 0, shards 0–1 of step 57' },
    ),
    [
      `mara (10.0.0.7:51234) THROWN OUT: ${reason}; 1 worker now`,
      'WRONG BITS: mara, the partial of exchange 0, shards 0–1 of step 57; two workers differ',
    ],
  );
  t.end();
});

t.test('threads of the same process are no worker that comes, but one that may be lost', (t) => {
  const own = { name: 'this process', address: 'this process', step: 0 };
  t.same(
    told(
      { ...own, kind: 'joined', threads: 2, kernels: 'wasm', isBack: false, workers: 1 },
      { ...mara, kind: 'joined', threads: 2, kernels: 'wasm', isBack: false, workers: 2 },
      { ...own, kind: 'left', reason: 'failed: threads do not start', workers: 1 },
    ),
    [
      'mara (10.0.0.7:51234) joined: 2 threads, wasm kernels; 1 worker now',
      'this process left: failed: threads do not start; 1 worker now',
    ],
  );
  t.end();
});
