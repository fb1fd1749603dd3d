/** The kernels for NEON against the slow twin, on an emulated processor where this one is another. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { flagsFor } from '../../../../scripts/build-native.ts';
import { seed } from '../../../helpers/kernels.ts';
import { type Case, casesOf, findDifference, imageBytes, type KernelName, kernelNames } from './cases.ts';

t.comment(`seed ${seed}`);
const compiler = 'aarch64-linux-gnu-g++';
const emulator = 'qemu-aarch64';
/** What driver.cc writes for one call. */
const answerBytes = 8 + imageBytes;
const missing = [compiler, emulator].filter((tool) => spawnSync(tool, ['--version']).status !== 0);

if (missing.length > 0) {
  t.comment(`NOT TESTED: the kernels for NEON. This system has no ${missing.join(' and no ')}`);
  t.pass('no emulated NEON here');
} else {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-neon-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  // This file runs from dist.
  const root = fileURLToPath(new URL('../../../../../', import.meta.url));
  const program = join(folder, 'driver');
  execFileSync(compiler, [
    ...[...flagsFor('arm64', 'neon.cc'), '-static', '-o', program],
    join(root, 'shared/kernels/native/neon.cc'),
    join(root, 'test/shared/kernels/native/driver.cc'),
  ]);

  for (const kernel of kernelNames) {
    t.test(`${kernel}: NEON gives the twin’s bits`, (t) => {
      const cases = collect(kernel, 24);
      const requests = Buffer.concat(cases.map(requestOf));
      const answers = execFileSync(emulator, [program], { input: requests, maxBuffer: 2 ** 26 });
      t.equal(answers.length, cases.length * answerBytes);
      for (const [i, example] of cases.entries()) {
        const { result, words } = answerAt(answers, i);
        const got = { words, result: example.result === undefined ? undefined : result };
        const difference = findDifference(example, got);
        if (difference !== null) t.fail(difference);
      }
      t.pass(`${cases.length} cases`);
      t.end();
    });
  }
}

/** The cases of a kernel, each with arrays of its own. */
function collect(kernel: KernelName, count: number): Case[] {
  return Array.from(casesOf(kernel, count, seed + 1_000_000), (example) => ({
    ...example,
    before: example.before.slice(),
    after: example.after.slice(),
  }));
}

/** A call as driver.cc reads it. */
function requestOf({ kernel, values, before }: Case): Buffer {
  const name = Buffer.alloc(32, 0);
  name.write(kernel);
  const numbers = new Float64Array(18);
  numbers.set(values);
  return Buffer.concat([name, Buffer.from(numbers.buffer), Buffer.from(before.buffer)]);
}

function answerAt(answers: Buffer, index: number): { result: number; words: Uint32Array } {
  const bytes = answers.subarray(index * answerBytes, (index + 1) * answerBytes);
  return { result: bytes.readDoubleLE(0), words: new Uint32Array(Uint8Array.from(bytes.subarray(8)).buffer) };
}
