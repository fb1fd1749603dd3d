/** A network of this machine's own: namespaces with a cable (veth) each to a bridge beside the coordinator. */
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import type { Test } from 'tap';
import type { Place } from './processes.ts';

/** Addresses that are meant for tests of networks (RFC 2544). */
const addressOf = (i: number) => `198.18.0.${i + 1}`;

/** Runs a command; returns what it wrote, or null where it failed or is not there. */
function tryRun(command: string, args: readonly string[]): string | null {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8' });
  return status === 0 ? stdout : null;
}

function run(command: string, ...args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`);
}

/** Whether this machine lets us make networks and disturb them; if not, that is said aloud. */
export function hasNetworks(t: Test): boolean {
  const name = `lockstep-${process.pid}-probe-${randomInt(2 ** 32)}`;
  const inside = (...command: string[]) => tryRun('ip', ['netns', 'exec', name, ...command]) !== null;
  const chain = 'add table inet t; add chain inet t c { type filter hook input priority 0; }';
  const works: Readonly<Record<string, boolean>> = {
    'network namespaces (root and iproute2)': tryRun('ip', ['netns', 'add', name]) !== null,
    'cables (veth)': inside('ip', 'link', 'add', 'name', 'cable', 'type', 'veth', 'peer', 'name', 'port'),
    bridges: inside('ip', 'link', 'add', 'name', 'hub', 'type', 'bridge'),
    'nftables (nft)': inside('nft', `${chain}; add rule inet t c numgen random mod 100 < 10 counter drop`),
    'limited rates (tc)': inside(
      ...'tc qdisc add dev cable root tbf rate 20mbit burst 32kb latency 9ms'.split(' '),
    ),
  };
  const missing = Object.keys(works).filter((what) => !works[what]);
  tryRun('ip', ['netns', 'del', name]);
  if (missing.length === 0) return true;
  t.comment(`NOT TESTED: this machine does not give us ${missing.join(', ')}`);
  t.pass(`no ${missing.join(', ')} here`);
  return false;
}

export class Network {
  readonly coordinator: Place & { readonly address: string };
  readonly workers: readonly Cable[];

  /**
   * Makes a network with so many workers; it is gone when the test is over.
   * @param name a word that no other network of this process has
   */
  constructor(t: Test, name: string, count: number) {
    removeAbandoned();
    const place = (what: string) => ({ namespace: `lockstep-${process.pid}-${name}-${what}` });
    this.coordinator = { ...place('c'), address: addressOf(0) };
    const hub = this.coordinator.namespace;
    const add = (namespace: string) => {
      t.teardown(() => run('ip', 'netns', 'del', namespace));
      run('ip', 'netns', 'add', namespace);
      run('ip', '-n', namespace, 'link', 'set', 'lo', 'up');
    };
    add(hub);
    run('ip', '-n', hub, 'link', 'add', 'bridge', 'type', 'bridge');
    run('ip', '-n', hub, 'address', 'add', `${addressOf(0)}/24`, 'dev', 'bridge');
    run('ip', '-n', hub, 'link', 'set', 'bridge', 'up');
    this.workers = Array.from({ length: count }, (_, i) => {
      const { namespace } = place(`w${i}`);
      const port = `port${i}`;
      add(namespace);
      run(
        ...(['ip', 'link', 'add', port, 'netns', hub, 'type', 'veth'] as const),
        ...(['peer', 'name', 'cable', 'netns', namespace] as const),
      );
      run('ip', '-n', hub, 'link', 'set', port, 'master', 'bridge', 'up');
      run('ip', '-n', namespace, 'address', 'add', `${addressOf(i + 1)}/24`, 'dev', 'cable');
      run('ip', '-n', namespace, 'link', 'set', 'cable', 'up');
      return new Cable(namespace, hub, port);
    });
  }
}

/** A worker's place, and what can happen on the way to it. */
export class Cable implements Place {
  readonly namespace: string;
  readonly #hub: string;
  readonly #port: string;

  constructor(namespace: string, hub: string, port: string) {
    this.namespace = namespace;
    this.#hub = hub;
    this.#port = port;
  }

  /** Takes the cable out at the coordinator's side, or puts it in again. */
  plug(isIn: boolean): void {
    run('ip', '-n', this.#hub, 'link', 'set', this.#port, isIn ? 'up' : 'down');
  }

  /** What happens to TCP packets that leave the worker, or come to it, as nftables says it: `counter drop`. */
  filter(way: 'output' | 'input', rule: string): void {
    const chain = `{ type filter hook ${way} priority 0; }`;
    run(
      'ip',
      'netns',
      'exec',
      this.namespace,
      'nft',
      `add table inet ${way}; add chain inet ${way} packets ${chain}`,
    );
    const match = ['add', 'rule', 'inet', way, 'packets', 'meta', 'l4proto', 'tcp'];
    run('ip', 'netns', 'exec', this.namespace, 'nft', ...match, ...rule.split(' '));
  }

  /** Packets that the counter of a filter has seen. */
  dropped(way: 'output' | 'input'): number {
    const rules = tryRun('ip', ['netns', 'exec', this.namespace, 'nft', 'list', 'table', 'inet', way]) ?? '';
    return Number(/packets (\d+)/.exec(rules)?.[1] ?? 0);
  }

  unfilter(): void {
    run('ip', 'netns', 'exec', this.namespace, 'nft', 'flush', 'ruleset');
  }

  /** Lets no more than this through, both ways: `20mbit`. */
  limit(rate: string): void {
    const limit = ['rate', rate, 'burst', '32kb', 'latency', '400ms'];
    const inside = ['qdisc', 'add', 'dev', 'cable', 'root', 'tbf', ...limit];
    run('ip', 'netns', 'exec', this.namespace, 'tc', ...inside);
    run('ip', 'netns', 'exec', this.#hub, 'tc', 'qdisc', 'add', 'dev', this.#port, 'root', 'tbf', ...limit);
  }
}

/** Removes what is left of tests that were killed before they could. */
function removeAbandoned(): void {
  for (const line of tryRun('ip', ['netns', 'list'])?.split('\n') ?? []) {
    const [, name, pid] = /^(lockstep-(\d+)-[\w-]+)/.exec(line) ?? [];
    if (name !== undefined && !isAlive(Number(pid))) tryRun('ip', ['netns', 'del', name]);
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
