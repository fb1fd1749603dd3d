/** Ctrl-C and SIGTERM: the first ends the run after its step, the second ends the program at once. */

export interface Signals {
  /** Aborted by the first signal. */
  readonly signal: AbortSignal;
  /** 130 or 143 if a signal came, otherwise 0. */
  exitCode(): number;
  release(): void;
}

const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;

export function onSignals(announce: (name: string) => void): Signals {
  const controller = new AbortController();
  let code = 0;
  const listeners = Object.entries(exitCodes).map(([name, exitCode]) => {
    const listener = () => {
      if (code !== 0) process.exit(code);
      code = exitCode;
      announce(name);
      controller.abort();
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
