/** A program that has ranks started, says their ids, and waits: `node rank-job-process.js MPIRUN SCRIPT RANKS TASK`. */
import { RankJob } from '../../scripts/ranks/rank-job.ts';

const [mpirun, script, ranks, task] = process.argv.slice(2);
const job = await RankJob.start({ mpirun, script, ranks: Number(ranks), task: JSON.parse(task) as object });
process.stdout.write(`${JSON.stringify(job.pids)}\n`);
