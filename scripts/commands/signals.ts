/**
 * Ctrl-C, SIGTERM and SIGUSR2: the first ends the run after its step, the second ends the program at once. SIGUSR2 is what
 * a batch system is asked to send before the time is up, so its exit code tells a script that the run should go on: SIGTERM
 * also comes from those who want it to end. SIGUSR1 is Node's own, for the inspector.
 */

export interface Signals {
  /** Aborted by the first signal; the reason is the exit code. */
  readonly signal: AbortSignal;
  /** 130, 140 or 143 if a signal came, otherwise 0. */
  exitCode(): number;
  release(): void;
}

/** 128 and the signal's number on Linux, everywhere the same. */
const exitCodes = { SIGINT: 130, SIGUSR2: 140, SIGTERM: 143 } as const;

export function onSignals(announce: (name: string) => void): Signals {
  const controller = new AbortController();
  let code = 0;
  const listeners = Object.entries(exitCodes).map(([name, exitCode]) => {
    const listener = () => {
      if (code !== 0) process.exit(code);
      code = exitCode;
      announce(name);
      controller.abort(exitCode);
    };
    process.on(name, listener);
    return { name, listener };
  });
  return {
    signal: controller.signal,
    exitCode: () => code,
    release: () => {
      for (const { name, listener } of listeners) process.off(name, listener);
    },
  };
}
