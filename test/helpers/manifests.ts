/** The manifests for Kubernetes, read, and judged by the types that its own API description was turned into. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { parseAllDocuments } from 'yaml';
import { cleanEnvironment } from './cli.ts';

const require = createRequire(import.meta.url);
// This file runs from dist/test/helpers.
const folder = fileURLToPath(new URL('../../../scripts/deploy/kubernetes/', import.meta.url));

export interface Manifest {
  /** `jobset.yaml: JobSet`. */
  readonly name: string;
  readonly file: string;
  readonly kind: string;
  readonly content: Readonly<Record<string, unknown>>;
}

/** All documents of all files. @throws Error where one is no YAML, or has a key twice */
export function readManifests(): Manifest[] {
  const files = readdirSync(folder).filter((file) => file.endsWith('.yaml'));
  return files.flatMap((file) =>
    parseAllDocuments(readFileSync(join(folder, file), 'utf8'), { strict: true, uniqueKeys: true }).map(
      (document) => {
        const problem = [...document.errors, ...document.warnings][0];
        if (problem !== undefined) throw new Error(`${file}: ${problem.message}`);
        const content = document.toJS() as Manifest['content'];
        return { name: `${file}: ${content.kind}`, file, kind: String(content.kind), content };
      },
    ),
  );
}

/** What each kind is, in TypeScript. */
const types: Readonly<Record<string, string>> = {
  Secret: "import('kubernetes-types/core/v1').Secret",
  Service: "import('kubernetes-types/core/v1').Service",
  PersistentVolumeClaim: "import('kubernetes-types/core/v1').PersistentVolumeClaim",
  Job: "import('kubernetes-types/batch/v1').Job",
  JobSet: 'JobSet',
};

/** JobSet is no part of Kubernetes; this is what its API (jobset.x-k8s.io/v1alpha2, release 0.10) says of the fields that we use. */
const jobSetTypes = `
interface JobSet {
  apiVersion: 'jobset.x-k8s.io/v1alpha2';
  kind: 'JobSet';
  metadata: import('kubernetes-types/meta/v1').ObjectMeta;
  spec: {
    network?: { enableDNSHostnames?: boolean; subdomain?: string; publishNotReadyAddresses?: boolean };
    successPolicy?: { operator: 'All' | 'Any'; targetReplicatedJobs?: string[] };
    failurePolicy?: { maxRestarts?: number; restartStrategy?: 'Recreate' | 'BlockingRecreate'; rules?: Rule[] };
    replicatedJobs: { name: string; replicas?: number; template: import('kubernetes-types/batch/v1').JobTemplateSpec }[];
  };
}
interface Rule {
  name: string;
  action: 'FailJobSet' | 'RestartJobSet' | 'RestartJobSetAndIgnoreMaxRestarts';
  onJobFailureReasons?: (
    | 'BackoffLimitExceeded' | 'DeadlineExceeded' | 'FailedIndexes' | 'MaxFailedIndexesExceeded' | 'PodFailurePolicy'
  )[];
  targetReplicatedJobs?: string[];
}
`;

/**
 * What is wrong with manifests, in lines: fields that there are not, missing ones, values of another type. Null, said
 * aloud, where kubernetes-types is not installed.
 */
export function judge(t: Test, manifests: readonly Pick<Manifest, 'kind' | 'content'>[]): string[] | null {
  const kubernetes = packageFolder('kubernetes-types');
  if (kubernetes === null) {
    t.comment('NOT TESTED: kubernetes-types is not installed');
    t.pass('no kubernetes-types here');
    return null;
  }
  const place = t.testdir();
  const constants = manifests.map(
    ({ kind, content }, i) => `export const m${i}: ${types[kind]} = ${JSON.stringify(content, null, 1)};`,
  );
  writeFileSync(join(place, 'manifests.ts'), `${jobSetTypes}${constants.join('\n')}\n`);
  const compilerOptions = {
    noEmit: true,
    strict: true,
    skipLibCheck: true,
    types: [],
    module: 'esnext',
    moduleResolution: 'bundler',
    paths: { 'kubernetes-types/*': [join(kubernetes, '*')] },
  };
  const settings = { compilerOptions, files: ['manifests.ts'] };
  writeFileSync(join(place, 'tsconfig.json'), JSON.stringify(settings));
  const compiler = join(packageFolder('typescript') ?? '', 'lib', 'tsc.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [compiler, '-p', place], {
    encoding: 'utf8',
    env: cleanEnvironment(),
  });
  const lines = stdout.split('\n').filter((line) => line.includes('error TS'));
  if (status !== 0 && lines.length === 0) throw new Error(`tsc: ${stdout}${stderr}`);
  return lines;
}

function packageFolder(name: string): string | null {
  const found = (require.resolve.paths(name) ?? []).map((path) => join(path, name, 'package.json'));
  const path = found.find((path) => existsSync(path));
  return path === undefined ? null : dirname(path);
}
