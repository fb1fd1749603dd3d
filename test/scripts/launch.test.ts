/** Environments as launchers leave them, captured from real ones where it says so. */
import fc from 'fast-check';
import t from 'tap';
import { findLaunch, isBatchScript, type Launch, launchLine } from '../../scripts/launch.ts';
import { LockstepError } from '../../shared/errors.ts';
import { refusal } from '../helpers/refusal.ts';

type Environment = Readonly<Record<string, string>>;

/** `mpirun.openmpi -n 2 env` of Open MPI 4.1, the variables that say something. */
const openMpi: Environment = {
  OMPI_APP_CTX_NUM_PROCS: '2',
  OMPI_COMM_WORLD_LOCAL_RANK: '1',
  OMPI_COMM_WORLD_LOCAL_SIZE: '2',
  OMPI_COMM_WORLD_NODE_RANK: '1',
  OMPI_COMM_WORLD_RANK: '1',
  OMPI_COMM_WORLD_SIZE: '2',
  OMPI_UNIVERSE_SIZE: '2',
  PMIX_RANK: '1',
};

/** `mpirun.mpich -n 2 env` of MPICH 4.2. */
const mpich: Environment = {
  HYDI_CONTROL_FD: '7',
  MPIR_CVAR_CH3_INTERFACE_HOSTNAME: 'vm',
  MPI_LOCALNRANKS: '2',
  MPI_LOCALRANKID: '1',
  PMI_FD: '8',
  PMI_RANK: '1',
  PMI_SIZE: '2',
};

/** What a batch script of Slurm 22.05 finds: `sbatch -n 2`. */
const batch: Environment = {
  SLURMD_NODENAME: 'vm',
  SLURM_JOB_ID: '3',
  SLURM_JOB_NODELIST: 'vm',
  SLURM_LOCALID: '0',
  SLURM_NODEID: '0',
  SLURM_NODELIST: 'vm',
  SLURM_NPROCS: '2',
  SLURM_NTASKS: '2',
  SLURM_PROCID: '0',
  SLURM_TASKS_PER_NODE: '2',
};

/** `srun -n 2 env`, the second task. */
const step: Environment = {
  ...batch,
  SLURM_JOB_ID: '1',
  SLURM_LAUNCH_NODE_IPADDR: '127.0.0.1',
  SLURM_LOCALID: '1',
  SLURM_PROCID: '1',
  SLURM_STEP_ID: '0',
  SLURM_STEP_NODELIST: 'vm',
  SLURM_STEP_NUM_NODES: '1',
  SLURM_STEP_NUM_TASKS: '2',
  SLURM_STEP_TASKS_PER_NODE: '2',
};

/** The sixth task of `srun -n 7` on three hosts, by Slurm's documentation. */
const hosts: Environment = {
  ...step,
  SLURM_JOB_ID: '1234567',
  SLURM_JOB_NODELIST: 'login,node[01-03,7]',
  SLURM_LOCALID: '1',
  SLURM_NODEID: '1',
  SLURM_PROCID: '5',
  SLURM_STEP_NODELIST: 'node[01-03]',
  SLURM_STEP_NUM_TASKS: '7',
  SLURM_STEP_TASKS_PER_NODE: '4,2,1',
};

/** What the agent of torchrun 1.13 sets for a process, by its source; static rendezvous. */
const torchrun: Environment = {
  GROUP_RANK: '1',
  GROUP_WORLD_SIZE: '2',
  LOCAL_RANK: '1',
  LOCAL_WORLD_SIZE: '2',
  MASTER_ADDR: '10.0.0.7',
  MASTER_PORT: '29500',
  RANK: '3',
  ROLE_RANK: '3',
  TORCHELASTIC_RUN_ID: 'none',
  TORCHELASTIC_USE_AGENT_STORE: 'True',
  WORLD_SIZE: '4',
};

/** A pod of an indexed Job, whose manifest says the rest. */
const pod: Environment = {
  JOB_COMPLETION_INDEX: '2',
  KUBERNETES_SERVICE_HOST: '10.96.0.1',
  MASTER_ADDR: 'train-0.train',
  WORLD_SIZE: '4',
};

const nowhere = { localRank: null, localSize: null };
const here = { host: '127.0.0.1', port: null, isGiven: false };

const found: Record<string, readonly [Environment, Launch]> = {
  'Open MPI': [
    openMpi,
    {
      launcher: 'Open MPI',
      rule: 'OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE',
      rank: 1,
      size: 2,
      localRank: 1,
      localSize: 2,
      address: here,
    },
  ],
  'Open MPI in a batch script of Slurm': [
    { ...batch, ...openMpi },
    {
      launcher: 'Open MPI',
      rule: 'OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE',
      rank: 1,
      size: 2,
      localRank: 1,
      localSize: 2,
      address: { host: '127.0.0.1', port: 20_003, isGiven: false },
    },
  ],
  'Open MPI on several hosts of a job of Slurm': [
    { ...openMpi, OMPI_COMM_WORLD_SIZE: '4', SLURM_JOB_ID: '12', SLURM_JOB_NODELIST: 'n[3-4]' },
    {
      launcher: 'Open MPI',
      rule: 'OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE',
      rank: 1,
      size: 4,
      localRank: 1,
      localSize: 2,
      address: { host: 'n3', port: 20_012, isGiven: false },
    },
  ],
  'Open MPI on several hosts': [
    { ...openMpi, OMPI_COMM_WORLD_SIZE: '4' },
    {
      launcher: 'Open MPI',
      rule: 'OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE',
      rank: 1,
      size: 4,
      localRank: 1,
      localSize: 2,
      address: null,
    },
  ],
  MPICH: [
    mpich,
    {
      launcher: 'MPICH',
      rule: 'PMI_RANK, PMI_SIZE',
      rank: 1,
      size: 2,
      localRank: 1,
      localSize: 2,
      address: here,
    },
  ],
  Slurm: [
    step,
    {
      launcher: 'Slurm',
      rule: 'SLURM_PROCID, SLURM_STEP_NUM_TASKS',
      rank: 1,
      size: 2,
      localRank: 1,
      localSize: 2,
      address: { host: '127.0.0.1', port: 20_001, isGiven: false },
    },
  ],
  'Slurm with srun --mpi=pmi2': [
    { ...step, PMI_FD: '13', PMI_JOBID: '2.0', PMI_RANK: '1', PMI_SIZE: '2' },
    {
      launcher: 'Slurm',
      rule: 'SLURM_PROCID, SLURM_STEP_NUM_TASKS',
      rank: 1,
      size: 2,
      localRank: 1,
      localSize: 2,
      address: { host: '127.0.0.1', port: 20_001, isGiven: false },
    },
  ],
  "MPICH's mpiexec, which starts its helpers by srun": [
    { ...step, PMI_RANK: '3', PMI_SIZE: '4', MPI_LOCALRANKID: '1', MPI_LOCALNRANKS: '2' },
    {
      launcher: 'MPICH',
      rule: 'PMI_RANK, PMI_SIZE',
      rank: 3,
      size: 4,
      localRank: 1,
      localSize: 2,
      address: { host: 'vm', port: 20_001, isGiven: false },
    },
  ],
  'Slurm on several hosts': [
    hosts,
    {
      launcher: 'Slurm',
      rule: 'SLURM_PROCID, SLURM_STEP_NUM_TASKS',
      rank: 5,
      size: 7,
      localRank: 1,
      localSize: 2,
      address: { host: 'node01', port: 24_567, isGiven: false },
    },
  ],
  'torchrun, whose own store has the port': [
    torchrun,
    {
      launcher: 'torchrun',
      rule: 'RANK, WORLD_SIZE',
      rank: 3,
      size: 4,
      localRank: 1,
      localSize: 2,
      address: { host: '10.0.0.7', port: 29_501, isGiven: true },
    },
  ],
  'torchrun in a step of Slurm': [
    { ...hosts, ...torchrun, TORCHELASTIC_USE_AGENT_STORE: 'False' },
    {
      launcher: 'torchrun',
      rule: 'RANK, WORLD_SIZE',
      rank: 3,
      size: 4,
      localRank: 1,
      localSize: 2,
      address: { host: '10.0.0.7', port: 29_500, isGiven: true },
    },
  ],
  'RANK and WORLD_SIZE by hand': [
    { RANK: '0', WORLD_SIZE: '3' },
    {
      launcher: 'torchrun',
      rule: 'RANK, WORLD_SIZE',
      rank: 0,
      size: 3,
      ...nowhere,
      address: null,
    },
  ],
  'a Job of Kubernetes': [
    pod,
    {
      launcher: 'Kubernetes',
      rule: 'JOB_COMPLETION_INDEX, WORLD_SIZE',
      rank: 2,
      size: 4,
      ...nowhere,
      address: { host: 'train-0.train', port: null, isGiven: true },
    },
  ],
  'a JobSet that hands on its names': [
    {
      JOB_COMPLETION_INDEX: '1',
      WORLD_SIZE: '2',
      JOBSET_NAME: 'lockstep',
      REPLICATED_JOB_NAME: 'ranks',
      JOB_INDEX: '0',
      MASTER_PORT: '7000',
    },
    {
      launcher: 'Kubernetes',
      rule: 'JOB_COMPLETION_INDEX, WORLD_SIZE',
      rank: 1,
      size: 2,
      ...nowhere,
      address: { host: 'lockstep-ranks-0-0.lockstep', port: 7000, isGiven: false },
    },
  ],
  'MPI in a pod': [
    { ...pod, ...openMpi },
    {
      launcher: 'Open MPI',
      rule: 'OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE',
      rank: 1,
      size: 2,
      localRank: 1,
      localSize: 2,
      address: { host: 'train-0.train', port: null, isGiven: true },
    },
  ],
};

for (const [name, [environment, launch]] of Object.entries(found)) {
  t.test(`${name} is recognised`, (t) => {
    t.strictSame(findLaunch(environment), launch);
    t.end();
  });
}

t.test('nobody is found where nobody launched, nor in a batch script of Slurm', (t) => {
  t.equal(findLaunch({}), null);
  t.equal(
    findLaunch({ PATH: '/bin', OMPI_MCA_btl: 'self', MASTER_ADDR: 'a', RANK: '', WORLD_SIZE: '' }),
    null,
  );
  t.equal(findLaunch(batch), null);
  t.ok(isBatchScript(batch));
  t.notOk(isBatchScript(step));
  t.notOk(isBatchScript({}));
  t.end();
});

t.test('MASTER_ADDR and MASTER_PORT name the address, whatever gave the rank', (t) => {
  for (const environment of [openMpi, mpich, step, hosts, torchrun, pod]) {
    const launch = findLaunch({
      ...environment,
      MASTER_ADDR: 'fd00::7',
      MASTER_PORT: '81',
      TORCHELASTIC_USE_AGENT_STORE: '',
    });
    t.strictSame(launch?.address, { host: 'fd00::7', port: 81, isGiven: true });
  }
  t.same(findLaunch({ ...hosts, MASTER_PORT: '81' })?.address, { host: 'node01', port: 81, isGiven: false });
  t.end();
});

t.test('steps of one job of Slurm that run side by side meet at ports of their own', (t) => {
  const portOf = (more: Environment) => findLaunch({ ...step, ...more })?.address?.port;
  t.equal(portOf({ SLURM_STEP_ID: '0' }), 20_001);
  t.equal(portOf({ SLURM_STEP_ID: '1' }), 21_001);
  t.equal(portOf({ SLURM_STEP_ID: '9', SLURM_JOB_ID: '1999' }), 20_999);
  t.equal(portOf({ SLURM_STEP_ID: '1', MASTER_PORT: '81' }), 81);
  const rank = { ...batch, ...openMpi, OMPI_COMM_WORLD_SIZE: '4' };
  t.same(
    findLaunch({ ...rank, SLURM_STEP_ID: '3' })?.address,
    findLaunch(rank)?.address,
    'ranks of mpirun are no step, and all say the same',
  );
  t.end();
});

t.test('what makes no sense is refused in one line that names the variable', (t) => {
  const cases: [Environment, string][] = [
    [
      { ...openMpi, OMPI_COMM_WORLD_RANK: '2' },
      'OMPI_COMM_WORLD_RANK: got "2", expected an integer from 0 to 1, as OMPI_COMM_WORLD_SIZE is 2',
    ],
    [
      { ...openMpi, OMPI_COMM_WORLD_SIZE: '0' },
      'OMPI_COMM_WORLD_SIZE: got "0", expected an integer from 1 to 1048576',
    ],
    [{ ...mpich, PMI_RANK: '-1' }, 'PMI_RANK: got "-1", expected an integer from 0 to 1, as PMI_SIZE is 2'],
    [{ ...mpich, PMI_RANK: '1e0' }, 'PMI_RANK: got "1e0", expected an integer from 0 to 1, as PMI_SIZE is 2'],
    [
      { ...mpich, MPI_LOCALNRANKS: '3' },
      'MPI_LOCALNRANKS: got "3", expected an integer from 1 to 2, as there are 2 ranks',
    ],
    [
      { PMI_SIZE: '2' },
      'PMI_RANK: got nothing beside PMI_SIZE, expected it, too, as the launcher sets both; set it, or unset PMI_SIZE',
    ],
    [
      { RANK: '2' },
      'WORLD_SIZE: got nothing beside RANK, expected it, too, as the launcher sets both; set it, or unset RANK',
    ],
    [
      { WORLD_SIZE: '2' },
      'RANK: got nothing beside WORLD_SIZE, expected it, too, as the launcher sets both; set it, or unset WORLD_SIZE',
    ],
    [
      { RANK: 'a\nb\u001b[2J', WORLD_SIZE: '1' },
      'RANK: got "a\\nb\\u001b[2J", expected 0, as WORLD_SIZE is 1',
    ],
    [
      { JOB_COMPLETION_INDEX: '2' },
      "WORLD_SIZE: got nothing beside JOB_COMPLETION_INDEX, expected it, too, as the Job's completions; set it, or unset JOB_COMPLETION_INDEX",
    ],
    [
      { ...pod, JOB_INDEX: '1' },
      'JOB_INDEX: got "1" beside JOB_COMPLETION_INDEX, expected all ranks to be pods of one Job; use completions in the place of replicas, or set RANK and WORLD_SIZE',
    ],
    [
      { ...pod, MASTER_ADDR: 'a:1' },
      'MASTER_ADDR: got "a:1", expected a name or an address without a port, where rank 0 can be reached',
    ],
    [{ ...pod, MASTER_PORT: '70000' }, 'MASTER_PORT: got "70000", expected an integer from 1 to 65535'],
    [
      { ...step, SLURM_PROCID: '' },
      'SLURM_PROCID: got nothing beside SLURM_STEP_NUM_TASKS, expected it, too, as the launcher sets both; set it, or unset SLURM_STEP_NUM_TASKS',
    ],
  ];
  for (const [environment, line] of cases)
    t.equal(
      refusal(() => findLaunch(environment)),
      line,
    );
  t.end();
});

const variables = [openMpi, mpich, hosts, torchrun, pod, { JOB_INDEX: '', JOBSET_NAME: '' }].flatMap(
  Object.keys,
);

t.test('in any environment a launch makes sense, or one line is said', (t) => {
  const value = fc.oneof(
    fc.constantFrom('0', '1', '2', '3', '7', '29500', '', 'vm', 'n[1-3]', '2(x2)', 'True'),
    fc.string({ maxLength: 8, unit: 'binary' }),
  );
  const environments = fc
    .tuple(
      fc.constantFrom<Environment>({}, openMpi, mpich, step, hosts, torchrun, pod),
      fc.dictionary(fc.constantFrom(...variables), value, { maxKeys: 4 }),
    )
    .map(([whole, altered]) => ({ ...whole, ...altered }));
  let launches = 0;
  let refusals = 0;
  const isRight = (environment: Environment): boolean => {
    try {
      const launch = findLaunch(environment);
      if (launch === null) return true;
      launches += 1;
      const { rank, size, localRank, localSize, address } = launch;
      const port = address?.port ?? 1;
      return (
        rank >= 0 &&
        rank < size &&
        (localRank ?? 0) < (localSize ?? size) &&
        (localSize === null || localSize <= size) &&
        port > 0 &&
        port < 65_536 &&
        /^rank \d+ of \d+, found by [\w ]+ \([\w, ]+\)$/.test(launchLine(launch))
      );
    } catch (error) {
      refusals += 1;
      return error instanceof LockstepError && error.code === 'USAGE' && !/\p{Cc}/u.test(error.message);
    }
  };
  fc.assert(fc.property(environments, isRight), { seed: 7, numRuns: 10_000 });
  t.ok(launches > 1000 && refusals > 1000, `${launches} launches, ${refusals} refusals`);
  t.end();
});

t.test('the line that is printed', (t) => {
  const launch = findLaunch({ ...openMpi, OMPI_COMM_WORLD_SIZE: '4', OMPI_COMM_WORLD_RANK: '2' });
  t.equal(
    launch && launchLine(launch),
    'rank 2 of 4, found by Open MPI (OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE)',
  );
  t.end();
});
