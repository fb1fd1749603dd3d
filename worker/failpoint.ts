/** For tests: a thread that fails at a chosen place of a chosen step. Nothing else sets a failpoint. */
import { wasm } from '../shared/kernels/webassembly.ts';

export interface Failpoint {
  readonly rank: number;
  /** Step of the epoch, and which of its barriers is about to be reached, both from 0. */
  readonly step: number;
  readonly barrier: number;
  readonly action: 'throw' | 'exit' | 'loop' | 'loop-wasm' | 'heap';
}

/** Fails if the thread is where the failpoint says. */
export function failAt(failpoint: Failpoint | null, step: number, barrier: number): void {
  if (failpoint === null || failpoint.step !== step || failpoint.barrier !== barrier) return;
  switch (failpoint.action) {
    case 'throw':
      throw new Error('failpoint');
    case 'exit':
      process.exit(1);
      break;
    case 'loop':
      for (;;);
    case 'loop-wasm': {
      const { loop } = new wasm.Instance(new wasm.Module(endlessLoop)).exports;
      (loop as () => void)();
      break;
    }
    case 'heap': {
      const kept: number[][] = [];
      for (;;) kept.push(Array.from({ length: 1000 }, Math.random));
    }
    default:
      failpoint.action satisfies never;
  }
}

/** (module (func (export "loop") (loop (br 0)))) */
const endlessLoop = Uint8Array.from([
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x04, 0x01, 0x60, 0x00, 0x00, 0x03, 0x02, 0x01, 0x00,
  0x07, 0x08, 0x01, 0x04, 0x6c, 0x6f, 0x6f, 0x70, 0x00, 0x00, 0x0a, 0x09, 0x01, 0x07, 0x00, 0x03, 0x40, 0x0c,
  0x00, 0x0b, 0x0b,
]);
