/** The flags of those who train across machines. */
import type { Flag } from './flag.ts';

const insecure = {
  name: 'insecure',
  kind: 'switch',
  help: 'no TLS beyond this machine: token, data and model travel in the open',
} as const;

/** Of a coordinator: who may come in, and how long it waits. */
export const listenFlags: readonly Flag[] = [
  {
    name: 'listen',
    kind: 'text',
    value: 'HOST:PORT',
    help: 'where workers come in; 0.0.0.0 for all networks, port 0 for any',
    otherwise: '127.0.0.1:7077',
  },
  {
    name: 'host-name',
    kind: 'text',
    value: 'NAME,…',
    help: 'what workers call this machine, if neither by its address nor by its own name',
  },
  {
    name: 'workers',
    kind: 'number',
    value: 'N',
    help: 'start when so many are there; more may come at any time',
    otherwise: '1',
  },
  {
    name: 'min-workers',
    kind: 'number',
    value: 'N',
    help: 'go on as long as so many are there',
    otherwise: '1, or none beside threads of its own',
  },
  {
    name: 'worker-timeout',
    kind: 'text',
    value: 'TIME',
    help: 'give up after so long with too few workers: seconds, or 90s, 10m, 1h',
    otherwise: '10m',
  },
  {
    name: 'step-timeout',
    kind: 'text',
    value: 'TIME',
    help: 'others compute what a worker has owed for so long',
    otherwise: '4s',
  },
  {
    name: 'token',
    kind: 'text',
    value: 'TEXT',
    help: 'what workers must know, 8 to 256 characters; better in LOCKSTEP_TOKEN, where ps does not show it',
    otherwise: 'a new one, which is printed',
  },
  {
    name: 'cert',
    kind: 'text',
    value: 'FILE',
    help: 'a certificate for TLS, PEM',
    otherwise: 'beyond this machine, one of its own',
  },
  { name: 'key', kind: 'text', value: 'FILE', help: 'the key of that certificate, PEM' },
  insecure,
];

/** Of `train` and of a coordinator: who may look at the run. */
export function dashboardFlags(otherwise: string): readonly Flag[] {
  return [
    {
      name: 'dashboard',
      kind: 'optional',
      value: '[PORT|HOST:PORT]',
      looks: /^(\S+:)?\d+$/,
      help: 'a page to watch the run, and /metrics; for this machine alone unless HOST is another address, which takes TLS and the token in the link',
      otherwise,
    },
    { name: 'no-dashboard', kind: 'switch', help: 'no page' },
  ];
}

/** Of a worker: how it comes in, and what it brings. */
export const joinFlags: readonly Flag[] = [
  {
    name: 'token',
    kind: 'text',
    value: 'TEXT',
    help: 'what the coordinator printed; better in LOCKSTEP_TOKEN, where ps does not show it',
  },
  {
    name: 'fingerprint',
    kind: 'text',
    value: 'SHA256',
    help: "of the coordinator's certificate, sha256:…, as it printed it",
    otherwise: 'a certificate that this system trusts',
  },
  insecure,
  {
    name: 'name',
    kind: 'text',
    value: 'TEXT',
    help: 'what the coordinator calls this worker, up to 64 characters',
    otherwise: "the machine's name",
  },
  {
    name: 'data',
    kind: 'text',
    value: 'NAME|DIR',
    help: 'a copy of the data to look at first; the coordinator sends what is not here',
    otherwise: 'mnist, fashion-mnist, and what it sent before',
  },
  {
    name: 'wait',
    kind: 'text',
    value: 'TIME',
    help: 'how long to try at first where nobody listens',
    otherwise: '10s',
  },
  {
    name: 'rejoin',
    kind: 'text',
    value: 'TIME',
    help: 'how long to try again when the connection was lost',
    otherwise: '10m',
  },
];
