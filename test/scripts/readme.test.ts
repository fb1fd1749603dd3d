/** What the README says is what the program does. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { publishedDigests } from '../../scripts/recipes/digests.ts';

// This file runs from dist/test/scripts.
const root = fileURLToPath(new URL('../../../', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const deadlineMs = 60_000;

t.test('the README publishes the digests that the program checks against', (t) => {
  const full = publishedDigests.filter(({ fields }) => Object.keys(fields).length === 0);
  const mnist = full.find(({ recipe }) => recipe === 'mnist');
  const note = full.find(({ recipe }) => recipe === 'note');
  t.ok(mnist !== undefined && readme.includes(mnist.weightsDigest), 'the digest of mnist');
  t.ok(mnist !== undefined && readme.includes(`${(100 * mnist.testAccuracy).toFixed(2)} %`), 'its accuracy');
  t.ok(
    note !== undefined && readme.includes(`**${(100 * note.testAccuracy).toFixed(2)} %**`),
    'that of note',
  );
  t.end();
});

t.test('the example of the library runs as it is printed', async (t) => {
  const code = /```js\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  t.match(code, /import \{ evaluate, loadModel, train \} from 'lockstep';/);
  t.ok(code.split('\n').filter((line) => line !== '').length <= 18, 'it is short');
  // Inside the package, `lockstep` means the package itself, by its exports.
  const folder = mkdtempSync(join(root, 'dist', 'readme-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'example.mjs');
  writeFileSync(file, code);
  const { stdout } = await promisify(execFile)(process.execPath, [file], {
    cwd: folder,
    timeout: deadlineMs,
  });
  const lines = stdout.trim().split('\n');
  t.match(lines[0], /^1 \d+\.\d+ 0\.\d+$/, 'a line for the first epoch');
  t.match(lines[2], /^[0-9a-f]{64} \d+/, 'the digest and the speed');
  t.match(lines[3], /^0\.\d+ 10 \d Float32Array|^0\.\d+ 10 \d \[/, 'evaluation and prediction');
});
