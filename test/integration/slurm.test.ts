/**
 * The batch files in a Slurm of this test's own: the time is almost up, so the run is saved and the job queued again; it
 * goes on and comes to the digest of one process that nobody disturbed.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { jsonOf, lockstep, program } from '../helpers/cli.ts';
import { type Slurm, startSlurm } from '../helpers/slurm.ts';
import { tinyRecipe, writeTinyData } from '../helpers/tiny-data.ts';

t.setTimeout(300_000);

// This file runs from dist/test/integration.
const scripts = fileURLToPath(new URL('../../../scripts/deploy/slurm/', import.meta.url));
const epochs = 400;
const stepsAnEpoch = 4;
const logDeadlineMs = 120_000;

interface Way {
  readonly script: 'websocket.sbatch' | 'mpi.sbatch';
  /** What starts the ranks, where the script leaves that open. */
  readonly start?: string;
  /** What has to be installed. */
  readonly needs: readonly string[];
  /** Whether the time's end is told to the script alone, as its `--signal` asks. */
  readonly isToldToScript: boolean;
}

const openMpi = programIn(['mpirun.openmpi', 'mpirun']);
const ways: Readonly<Record<string, Way>> = {
  'over WebSockets': { script: 'websocket.sbatch', needs: [], isToldToScript: false },
  'over Open MPI, started by mpirun': {
    script: 'mpi.sbatch',
    start: `${openMpi} --bind-to none`,
    needs: [openMpi, 'libmpi.so.40'],
    isToldToScript: true,
  },
  'over MPICH, started by srun': {
    script: 'mpi.sbatch',
    start: 'srun --mpi=pmi2 --kill-on-bad-exit=1',
    needs: ['libmpich.so.12'],
    isToldToScript: true,
  },
};

t.test('a job that runs out of time is queued again and goes on to the same bits', async (t) => {
  const cluster = await startSlurm(t);
  if (cluster === null) return;
  const base = t.testdir();
  const data = writeTinyData(join(base, 'data'));
  const recipe = [...tinyRecipe, '--data', data, '--epochs', String(epochs)];
  const alone = jsonOf(await lockstep(['train', ...recipe, '--no-run', '--json'], { cwd: base }));
  let restarts = 0;
  for (const [name, way] of Object.entries(ways)) {
    await t.test(name, async (t) => {
      if (!isInstalled(t, way.needs)) return;
      const cwd = join(base, name);
      mkdirSync(cwd);
      const { log, run } = await outOfTime(cluster, way, cwd, recipe);
      t.match(log, /^SIGUSR2: stopping after this step; again to end at once$/m);
      t.equal(log.match(/^Out of time: job \d+ is queued again/gm)?.length, 1, 'it was queued again once');
      const resumed = Number(/^resumed at step ([\d,]+)/m.exec(log)?.[1].replace(',', ''));
      t.ok(resumed > 0 && resumed < epochs * stepsAnEpoch, `it went on at step ${resumed}`);
      const result = jsonOf(await lockstep(['train', '--resume', run, '--json'], { cwd }));
      const { weightsDigest, stateDigest, chain, trainLoss } = alone;
      t.match(result, { weightsDigest, stateDigest, chain, trainLoss, steps: epochs * stepsAnEpoch });
      t.notOk(log.includes('\u001b'), 'the log is plain text');
      t.ok(readdirSync(run).includes('model.safetensors'), 'the model is in the folder of the run');
      restarts++;
    });
  }
  t.comment(`${restarts} ways were tried`);
});

/** Runs a job, tells it that its time is almost up, lets it begin again, and waits for its end. */
async function outOfTime(cluster: Slurm, way: Way, cwd: string, recipe: readonly string[]) {
  const { script, start, isToldToScript } = way;
  const environment = [
    'ALL',
    `LOCKSTEP=${process.execPath} ${program}`,
    ...(start === undefined ? [] : [`START=${start}`]),
    // This Slurm is root's.
    'OMPI_ALLOW_RUN_AS_ROOT=1',
    'OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1',
  ];
  const size = ['--nodes=1', '--ntasks=2', '--ntasks-per-node=2', '--cpus-per-task=1'];
  const options = ['--parsable', '--chdir', cwd, ...size, `--export=${environment.join(',')}`];
  const id = cluster.run('sbatch', ...options, join(scripts, script), ...recipe).trim();
  const path = join(cwd, `lockstep-${id}.log`);
  await shown(path, /^epoch +2\//m, cluster);
  cluster.run('scancel', '--signal=USR2', ...(isToldToScript ? ['--batch'] : []), id);
  await cluster.beginAgain(id, 1);
  const { JobState } = await cluster.jobWhen(id, 'end', ({ JobState }) =>
    /^(COMPL|FAIL|CANC|TIME)/.test(JobState),
  );
  const log = readFileSync(path, 'utf8');
  if (!JobState.startsWith('COMPLET')) throw new Error(`the job ended as ${JobState}:\n${log.slice(-3000)}`);
  return { log, run: join(cwd, 'runs', `slurm-${id}`) };
}

/** Waits until a file shows what it has to. */
async function shown(path: string, pattern: RegExp, cluster: Slurm): Promise<void> {
  const startMs = performance.now();
  for (;;) {
    const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
    if (pattern.test(text)) return;
    if (performance.now() - startMs > logDeadlineMs)
      throw new Error(
        `waited ${logDeadlineMs} ms for ${pattern} in:\n${text.slice(-3000)}\n${cluster.log()}`,
      );
    await setTimeout(20);
  }
}

/** The first of some programs that is there, or the first. */
function programIn(names: readonly string[]): string {
  return names.find((name) => isProgram(name)) ?? names[0];
}

function isProgram(name: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, name)));
}

/** Whether programs and libraries are installed; if not, that is said aloud. */
function isInstalled(t: Test, needs: readonly string[]): boolean {
  const folders = [
    '/usr/lib',
    '/usr/lib64',
    `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`,
  ];
  const isLibrary = (name: string) => folders.some((folder) => existsSync(join(folder, name)));
  const missing = needs.filter((name) => !isProgram(name) && !isLibrary(name));
  if (missing.length === 0) return true;
  t.comment(`NOT TESTED: this needs ${missing.join(', ')}`);
  t.pass(`no ${missing.join(', ')} here`);
  return false;
}
