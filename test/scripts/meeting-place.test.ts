import t from 'tap';
import { meetingPlace } from '../../scripts/meeting-place.ts';
import { refusal } from '../helpers/refusal.ts';

const at = (host: string, port: number | null = null, isGiven = false) =>
  ({ launcher: 'Slurm', address: { host, port, isGiven } }) as const;
const nowhere = { launcher: 'Open MPI', address: null } as const;

t.test('an address is listened on, a name on all networks, and either is what workers call it', (t) => {
  t.same(meetingPlace(at('127.0.0.1'), null), {
    listen: { host: '127.0.0.1', port: 7077 },
    listenText: '127.0.0.1:7077',
    address: '127.0.0.1:7077',
    hostName: null,
  });
  t.same(meetingPlace(at('10.0.0.7', 20_001), null), {
    listen: { host: '10.0.0.7', port: 20_001 },
    listenText: '10.0.0.7:20001',
    address: '10.0.0.7:20001',
    hostName: null,
  });
  t.same(meetingPlace(at('fd00::7', 1), null), {
    listen: { host: 'fd00::7', port: 1 },
    listenText: '[fd00::7]:1',
    address: '[fd00::7]:1',
    hostName: null,
  });
  t.same(meetingPlace(at('node01'), null), {
    listen: { host: '0.0.0.0', port: 7077 },
    listenText: '0.0.0.0:7077',
    address: 'node01:7077',
    hostName: 'node01',
  });
  t.match(meetingPlace(at('localhost'), null), { listen: { host: 'localhost' }, hostName: null });
  t.end();
});

t.test('what the user says to listen on goes over what the launcher says, but not over MASTER_ADDR', (t) => {
  t.same(meetingPlace(at('node01', 5), '[::]:9000'), {
    listen: { host: '::', port: 9000 },
    listenText: '[::]:9000',
    address: 'node01:9000',
    hostName: 'node01',
  });
  t.same(meetingPlace(at('node01', 5), '10.0.0.7:9000'), {
    listen: { host: '10.0.0.7', port: 9000 },
    listenText: '10.0.0.7:9000',
    address: '10.0.0.7:9000',
    hostName: null,
  });
  t.same(meetingPlace(at('node01', 5, true), '10.0.0.7:9000'), {
    listen: { host: '10.0.0.7', port: 9000 },
    listenText: '10.0.0.7:9000',
    address: 'node01:9000',
    hostName: 'node01',
  });
  t.match(meetingPlace(nowhere, '10.0.0.7:9000'), { address: '10.0.0.7:9000' });
  t.end();
});

t.test('where nobody says it, it is asked for', (t) => {
  for (const listen of [null, '0.0.0.0:7077', '[::]:7077']) {
    t.equal(
      refusal(() => meetingPlace(nowhere, listen)),
      'MASTER_ADDR: got nothing, and Open MPI does not say where rank 0 is; set it for all ranks, to a name or an ' +
        'address of that machine (and MASTER_PORT, if not 7077)',
    );
  }
  t.equal(
    refusal(() => meetingPlace(at('node01'), '0.0.0.0:0', 'LOCKSTEP_LISTEN')),
    'LOCKSTEP_LISTEN: got port 0, expected one that all ranks know, from 1 to 65535',
  );
  t.end();
});
