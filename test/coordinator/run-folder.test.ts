/** Run folders: their names, and that no two runs share one. */
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t from 'tap';
import {
  checkRunFolder,
  defaultRunFolder,
  makeNumberedRunFolder,
  makeRunFolder,
} from '../../coordinator/run-folder.ts';
import { hasFile } from '../helpers/platform.ts';
import { refusal } from '../helpers/refusal.ts';

const id = '1a74ee33350b5fa7abd2283dee270f713ae691a3c363950ebd42309888fe4fd5';

t.test('the name has the local date, the recipe and the start of its id', (t) => {
  t.equal(
    defaultRunFolder('mnist', id, new Date(2026, 0, 5, 23, 59)),
    join('runs', '2026-01-05-mnist-1a74ee33'),
  );
  t.equal(
    defaultRunFolder('mnist', id, new Date(2026, 10, 23, 0, 0)),
    join('runs', '2026-11-23-mnist-1a74ee33'),
  );
  const name = defaultRunFolder('x'.repeat(1000), id, new Date(2026, 0, 1));
  t.ok(name.length < 200, 'a long name is cut to what a folder may be called');
  t.end();
});

t.test('a folder that is taken gets a number behind it', (t) => {
  const base = join(t.testdir(), 'runs', 'x');
  t.equal(makeNumberedRunFolder(base, '--run'), base);
  t.equal(makeNumberedRunFolder(base, '--run'), `${base}-2`, 'even if nothing is in it yet');
  t.equal(makeNumberedRunFolder(base, '--run'), `${base}-3`);
  t.same(readdirSync(join(base, '..')).sort(), ['x', 'x-2', 'x-3']);
  t.end();
});

t.test('processes that begin at the same moment get folders of their own', async (t) => {
  const base = join(t.testdir(), 'runs', 'x');
  const module = new URL('../../coordinator/run-folder.js', import.meta.url).href;
  const code = `import(${JSON.stringify(module)}).then(({ makeNumberedRunFolder }) => {
    process.stdin.once('data', () => {
      for (let i = 0; i < 100; i++) console.log(makeNumberedRunFolder(${JSON.stringify(base)}, ''));
      process.exit();
    });
    console.log('ready');
  });`;
  const children = ['a', 'b'].map(() =>
    spawn(process.execPath, ['-e', code], { stdio: ['pipe', 'pipe', 'inherit'], timeout: 30_000 }),
  );
  const lines = children.map(({ stdout }) => createInterface(stdout)[Symbol.asyncIterator]());
  for (const line of lines) t.equal((await line.next()).value, 'ready');
  for (const { stdin } of children) stdin.write('go\n');
  const folders = await Promise.all(
    lines.map(async (line) => {
      const made: string[] = [];
      for (let next = await line.next(); !next.done; next = await line.next()) made.push(next.value);
      return made;
    }),
  );
  t.same(
    folders.map(({ length }) => length),
    [100, 100],
    'both made theirs',
  );
  t.equal(new Set(folders.flat()).size, 200, 'each is another one');
});

t.test('a folder that is named must be new or empty', (t) => {
  const base = t.testdir({ used: { file: '' }, file: '' });
  mkdirSync(join(base, 'empty'));
  for (const make of [checkRunFolder, makeRunFolder]) {
    t.match(
      refusal(() => make(join(base, 'used'), 'LOCKSTEP_RUN')),
      /^LOCKSTEP_RUN: ".*used" is used already, expected a new or an empty folder; choose another/,
    );
    t.match(
      refusal(() => make(join(base, 'file'), '--run')),
      /"[^"]*file" is used already/,
    );
    t.match(
      refusal(() => make(join(base, 'file', 'x'), '--run'), 'OUTPUT'),
      /^--run: cannot make ".*x" \(E[A-Z]+: [a-z ]+\); choose another/,
    );
    if (hasFile(t, '/proc')) {
      t.match(
        refusal(() => make('/proc/lockstep/x', '--run'), 'OUTPUT'),
        /ENOENT/,
      );
    }
    make(join(base, 'empty'), '--run');
    make(join(base, 'new', 'deep'), '--run');
    t.same(readdirSync(base).includes('new'), make === makeRunFolder, 'a check makes nothing');
  }
  t.end();
});
