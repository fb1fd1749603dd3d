/** What the manifests say is what Kubernetes knows, what their other parts are called, and what Lockstep takes. */
import { join } from 'node:path';
import t from 'tap';
import { checkToken } from '../../../scripts/commands/token.ts';
import { findLaunch } from '../../../scripts/launch.ts';
import { lockstep } from '../../helpers/cli.ts';
import { judge, type Manifest, readManifests } from '../../helpers/manifests.ts';

const manifests = readManifests();

interface Container {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: readonly {
    name: string;
    value?: string;
    valueFrom?: Record<string, Record<string, string>>;
  }[];
  readonly ports?: readonly { name: string; containerPort: number }[];
  readonly securityContext: unknown;
  readonly resources: { readonly limits: Record<string, string>; readonly requests: Record<string, string> };
  readonly volumeMounts: readonly { name: string; mountPath: string }[];
  readonly readinessProbe?: unknown;
  readonly livenessProbe?: unknown;
}

interface Pod {
  readonly where: string;
  readonly job: Readonly<Record<string, unknown>>;
  readonly spec: Readonly<Record<string, unknown>> & { readonly volumes: readonly Record<string, unknown>[] };
  readonly container: Container;
}

// biome-ignore lint/suspicious/noExplicitAny: a document has any shape until the judge has seen it.
type Anything = any;

const one = (kind: string, file?: string): Anything =>
  manifests.find((manifest) => manifest.kind === kind && (file ?? manifest.file) === manifest.file)?.content;

const jobSet = one('JobSet');
const job = one('Job');
const pods: readonly Pod[] = [
  ...jobSet.spec.replicatedJobs.map(({ name, template }: Anything) => ({ where: name, job: template.spec })),
  { where: 'job', job: job.spec },
].map(({ where, job }: Anything) => ({
  where,
  job,
  spec: job.template.spec,
  container: job.template.spec.containers[0],
}));
const podOf = (where: string): Pod => {
  const found = pods.find((pod) => pod.where === where);
  if (found === undefined) throw new Error(`no pod of ${where}`);
  return found;
};

t.test('every field is one that Kubernetes or JobSet knows, with a value of its type', (t) => {
  t.match(
    manifests.map(({ name }) => name),
    [
      ...['job.yaml: PersistentVolumeClaim', 'job.yaml: Service', 'job.yaml: Job'],
      ...['jobset.yaml: PersistentVolumeClaim', 'jobset.yaml: JobSet'],
      ...['secret.yaml: Secret', 'service.yaml: Service'],
    ],
  );
  const problems = judge(t, manifests);
  if (problems !== null) t.same(problems, []);
  t.end();
});

t.test('a wrong field would be found, wherever it is', (t) => {
  const broken = (change: (content: Anything) => void, kind: string): Manifest => {
    const content = structuredClone(one(kind));
    change(content);
    return { name: kind, file: '', kind, content };
  };
  const container = (content: Anything) =>
    content.spec.replicatedJobs[0].template.spec.template.spec.containers[0];
  const cases: Readonly<Record<string, Manifest>> = {
    securityContexts: broken((content) => (container(content).securityContexts = {}), 'JobSet'),
    maxRestart: broken((content) => (content.spec.failurePolicy.maxRestart = 3), 'JobSet'),
    Stop: broken((content) => (content.spec.failurePolicy.rules[0].action = 'Stop'), 'JobSet'),
    string: broken((content) => (content.spec.parallelism = '4'), 'Job'),
    ports: broken((content) => (content.spec.ports = '7078'), 'Service'),
  };
  for (const [word, manifest] of Object.entries(cases)) {
    const problems = judge(t, [manifest]);
    if (problems === null) continue;
    t.equal(problems.length > 0, true, `${word}: ${problems[0]?.slice(0, 160)}`);
  }
  t.end();
});

t.test('no pod may do more than it has to', (t) => {
  for (const { where, spec, container } of pods) {
    t.match(spec, {
      enableServiceLinks: false,
      automountServiceAccountToken: false,
      restartPolicy: 'Never',
      securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
    });
    t.match(container.securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    t.ok(container.resources.limits.memory, `${where}: memory has a limit`);
    const mounted = container.volumeMounts.map(({ name }) => name).sort();
    t.same(mounted, spec.volumes.map(({ name }) => name).sort(), `${where}: what is mounted is there`);
  }
  t.end();
});

t.test('a Job does not try again what cannot work, and never has two pods on one run', (t) => {
  for (const { where, job, container } of pods) {
    t.match(job, { podReplacementPolicy: 'Failed', completionMode: 'Indexed' }, where);
    const ignored = { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] };
    const onExitCodes = { containerName: container.name, operator: 'In', values: [2] };
    const refused = { action: 'FailJob', onExitCodes };
    // A coordinator that is gone takes all with it: workers that it told to stop have ended, and do not come back alone.
    const rules = where === 'coordinator' ? [refused] : [ignored, refused];
    t.same(job.podFailurePolicy, { rules }, where);
    t.equal(job.backoffLimit === 0, where === 'coordinator', `${where}: backoffLimit ${job.backoffLimit}`);
  }
  t.end();
});

t.test('the token comes from the secret, and what the secret has in the file is refused', (t) => {
  const secret = one('Secret');
  for (const { where, container } of pods) {
    const token = container.env.find(({ name }) => name === 'LOCKSTEP_TOKEN');
    const { name, key } = token?.valueFrom?.secretKeyRef ?? {};
    t.equal(name, secret.metadata.name, where);
    t.ok(key !== undefined && key in secret.stringData, `${where}: ${key}`);
  }
  t.throws(() => checkToken(secret.stringData.token, 'token'), {
    message: /got 7 characters, expected 8 to 256/,
  });
  t.end();
});

t.test('names, ports, labels and volumes fit together', (t) => {
  const { name } = jobSet.metadata;
  const { container, spec } = podOf('coordinator');
  const page = one('Service', 'service.yaml');
  t.match(page.spec.selector, {
    'jobset.sigs.k8s.io/jobset-name': name,
    'jobset.sigs.k8s.io/replicatedjob-name': 'coordinator',
  });
  const ports = new Map(container.ports?.map(({ name, containerPort }) => [name, containerPort]));
  const flag = (name: string) =>
    container.args.find((arg) => arg.startsWith(`--${name}=`))?.split('=')[1] ?? '';
  t.equal(ports.get(page.spec.ports[0].targetPort), Number(flag('dashboard').split(':')[1]));
  t.equal(ports.get('workers'), Number(flag('listen').split(':')[1]));
  const probe = { httpGet: { port: 'dashboard', scheme: 'HTTPS' } };
  t.match(container.readinessProbe, { httpGet: { path: '/readyz', ...probe.httpGet } });
  t.match(container.livenessProbe, { httpGet: { path: '/healthz', ...probe.httpGet } });
  // <JobSet>-<replicated job>-<job>-<pod>.<subdomain, by default the JobSet>
  const host = `${name}-coordinator-0-0.${name}`;
  const workers = podOf('workers');
  t.equal(workers.container.args[1], `wss://${host}:${ports.get('workers')}`);
  t.same(flag('host-name').split(','), [host, page.metadata.name]);
  t.equal(flag('workers'), String(workers.job.completions), 'it waits for all that are started');
  t.same(jobSet.spec.successPolicy.targetReplicatedJobs, ['coordinator']);
  t.match(spec.volumes, [
    { persistentVolumeClaim: { claimName: one('PersistentVolumeClaim', 'jobset.yaml').metadata.name } },
  ]);
  t.match(podOf('job').spec.volumes, [
    { persistentVolumeClaim: { claimName: one('PersistentVolumeClaim', 'job.yaml').metadata.name } },
  ]);
  t.end();
});

t.test('every pod of the Job finds its rank, and all find the first', (t) => {
  const { container, job: spec, spec: podSpec } = podOf('job');
  const service = one('Service', 'job.yaml');
  t.equal(podSpec.subdomain, service.metadata.name);
  t.match(service.spec, {
    clusterIP: 'None',
    selector: { 'batch.kubernetes.io/job-name': job.metadata.name },
  });
  const said = container.env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]]));
  for (let index = 0; index < Number(spec.completions); index++) {
    const launch = findLaunch({ ...Object.fromEntries(said), JOB_COMPLETION_INDEX: String(index) });
    t.match(launch, {
      launcher: 'Kubernetes',
      rank: index,
      size: spec.completions,
      address: { host: `${job.metadata.name}-0.${service.metadata.name}`, port: 7077 },
    });
  }
  t.end();
});

t.test('Lockstep takes every command line as it stands there', async (t) => {
  for (const { where, container } of pods) {
    const values: Readonly<Record<string, string>> = { POD_NAME: 'lockstep-workers-0-1', THREADS: '2' };
    const args = container.args.map((arg) => arg.replace(/\$\((\w+)\)/g, (_, name) => values[name]));
    const cwd = t.testdir();
    const said = container.env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]]));
    const environment = {
      LOCKSTEP_TOKEN: 'a3f1c09e5b7d42688e1f6c0d9b2a4735',
      ...(where === 'job' && { JOB_COMPLETION_INDEX: '0', ...Object.fromEntries(said) }),
    };
    if (where === 'workers') {
      // Nobody is there: what it says is that, and nothing of its flags.
      const alone = [args[0], 'ws://127.0.0.1:9', ...args.slice(2), '--wait', '0'];
      const { code, stderr } = await lockstep(alone, { cwd, environment });
      t.equal(code, 1, `${where}: ${stderr.trimEnd()}`);
      continue;
    }
    const own = args.map((arg) => arg.replace('/runs/', join(cwd, 'runs', '/')));
    const { code, stdout, stderr } = await lockstep([...own, '--dry-run'], { cwd, environment });
    t.equal(code, 0, `${where}: ${stderr}`);
    t.match(stdout, /mnist/);
  }
});
