/** Loaded before a program (`node --import`): at SIGWINCH the thread that it started last dies. */
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { isMainThread } from 'node:worker_threads';

if (isMainThread) {
  // The CommonJS module is what can be changed, and what a package that is CommonJS takes.
  const threads = createRequire(import.meta.url)(
    'node:worker_threads',
  ) as typeof import('node:worker_threads');
  let last: InstanceType<typeof threads.Worker> | null = null;
  threads.Worker = class extends threads.Worker {
    constructor(...args: ConstructorParameters<typeof threads.Worker>) {
      super(...args);
      last = this;
    }
  };
  syncBuiltinESMExports();
  process.on('SIGWINCH', () => {
    if (last === null) throw new Error('no thread was started');
    void last.terminate();
  });
}
