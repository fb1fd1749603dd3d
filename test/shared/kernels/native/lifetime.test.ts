/** What the native kernels keep alive, and for how long. */
import { execFileSync } from 'node:child_process';
import t from 'tap';
import { loadNativeKernels } from '../../../../shared/kernels/native.ts';

const native = loadNativeKernels();

/**
 * Runs code in a process that can collect garbage when asked, and returns what it gives. It has `bind()`, which binds
 * the best set to a memory that holds only this value, and `collect()`.
 */
function runCollecting(code: string): unknown {
  const url = new URL('../../../../shared/kernels/native.js', import.meta.url);
  const program = `
    import { setImmediate } from 'node:timers/promises';
    import { loadNativeKernels } from '${url.href}';
    const native = loadNativeKernels();
    const floats = 65_536;
    function bind(value) {
      const memory = new WebAssembly.Memory({ initial: 4, maximum: 4, shared: true });
      new Float32Array(memory.buffer).fill(value);
      return native.bind(native.sets[0], memory);
    }
    async function collect() {
      for (let i = 0; i < 5; i++) {
        gc();
        await setImmediate(); // finalizers have a turn of their own
      }
    }
    const result = await (async () => { ${code} })();
    process.stdout.write(JSON.stringify(result));`;
  const parameters = ['--expose-gc', '--input-type=module', '--eval', program];
  // A runner's hooks would hold on to what is to be collected.
  const env = { ...process.env, NODE_OPTIONS: '' };
  return JSON.parse(execFileSync(process.execPath, parameters, { env, encoding: 'utf8' }));
}

if (typeof native === 'string') {
  t.comment(`NOT TESTED: the lifetime of native kernels. ${native}`);
  t.pass('no native kernels here');
} else {
  t.test('one function keeps the memory and what it needs, when all else is gone', (t) => {
    const results = runCollecting(`
      const { nonFinite } = bind(Infinity);
      await collect();
      // What was freed by mistake would be overwritten by these.
      const others = Array.from({ length: 100 }, () => bind(1).nonFinite);
      await collect();
      return [nonFinite(0, floats), ...others.map((other) => other(0, floats))];`);
    t.same(results, [1, ...Array.from({ length: 100 }, () => 0)]);
    t.end();
  });

  t.test('memories that nobody has any more are given up', (t) => {
    const { bound, collected } = runCollecting(`
      let collected = 0;
      const registry = new FinalizationRegistry(() => collected++);
      const bindAndDrop = () => {
        const { relu } = bind(1);
        registry.register(relu);
        registry.register(relu.memory);
        registry.register(relu.memory.buffer);
      };
      const bound = 200;
      for (let i = 0; i < bound; i++) bindAndDrop();
      await collect();
      return { bound, collected };`) as { bound: number; collected: number };
    // The last ones may still be on the stack.
    t.ok(collected >= 3 * (bound - 2), `${collected} of ${3 * bound} things were collected`);
    t.end();
  });

  t.test('where a function cannot be made the reason is thrown, and nothing is bound', (t) => {
    const result = runCollecting(`
      const refuse = () => { throw new Error('no memory here'); };
      Object.defineProperty(Function.prototype, 'memory', { set: refuse, configurable: true });
      let message = 'none';
      try {
        bind(1);
      } catch (error) {
        message = error.message;
      }
      delete Function.prototype.memory;
      await collect();
      return [message, bind(Infinity).nonFinite(0, floats)];`);
    t.same(result, ['no memory here', 1]);
    t.end();
  });
}
