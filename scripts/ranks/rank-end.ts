/**
 * A rank's end of its connection to the program that had it started. The rank ends with this connection, however that program
 * ends, so none is left behind.
 */
import { connect, type Socket } from 'node:net';
import { type ErrorCode, LockstepError, reasonOf } from '../../shared/errors.ts';
import { onLines, sendLine } from './lines.ts';

/** The argument of a rank; the token is in the environment. */
export interface RankTask {
  readonly host: string;
  readonly port: number;
  readonly task: object;
}

/** What a rank says. */
export type RankLine =
  | { readonly token: string; readonly pid: number }
  | { readonly ready: number }
  | { readonly answer: unknown }
  | { readonly error: { readonly code: ErrorCode; readonly message: string } };

/** What a rank does for whoever asks. */
export interface RankServant {
  readonly rank: number;
  answer(question: object): Promise<object>;
  /** Leaves the job in good order. */
  close(): Promise<void>;
}

/** For whoever reads an error before the ranks are gone. */
const lastWordsMs = 1000;

/** Connects, prepares, says that it is ready, and answers until it is told to end. */
export function serveRank(prepare: (task: object) => Promise<RankServant>): void {
  const { host, port, task } = JSON.parse(process.argv[2]) as RankTask;
  const socket = connect(port, host);
  let isEnding = false;
  const leave = () => {
    // Not by process.exit, which waits for calls of MPI that may never return.
    if (isEnding) process.exit();
    process.kill(process.pid, 'SIGKILL');
  };
  socket.on('error', () => {}).once('close', leave);
  const say = (line: RankLine) => sendLine(socket, line);
  say({ token: process.env.LOCKSTEP_TOKEN ?? '', pid: process.pid });
  const servant = prepare(task);
  const doing = async (action: () => Promise<void>) => {
    try {
      await action();
    } catch (error) {
      reportError(socket, error);
    }
  };
  void doing(async () => say({ ready: (await servant).rank }));
  onLines(socket, (line) => {
    void doing(async () => {
      const question = JSON.parse(line) as object;
      if (!('end' in question)) return say({ answer: await (await servant).answer(question) });
      isEnding = true;
      await (await servant).close();
      socket.end();
      process.exit();
    });
  });
}

/** What is no error of ours is one of the program's. */
function reportError(socket: Socket, error: unknown): void {
  const code = error instanceof LockstepError ? error.code : 'MPI';
  sendLine(socket, { error: { code, message: reasonOf(error) } });
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), lastWordsMs);
}
