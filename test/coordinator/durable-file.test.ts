/** Files that are there whole or not at all, also where something is in the way. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { checkWritable, makeFolders, removeFolders, writeDurably } from '../../coordinator/durable-file.ts';
import { hasFile } from '../helpers/platform.ts';
import { refusal } from '../helpers/refusal.ts';

t.test('writes parts one behind the other, making the folders, and leaves nothing else', (t) => {
  const base = t.testdir();
  const path = join(base, 'a', 'b', 'file');
  writeDurably(path, ['one ', Buffer.from('two'), new Uint8Array(0), Uint8Array.of(0x21)]);
  t.equal(readFileSync(path, 'utf8'), 'one two!');
  t.same(readdirSync(join(base, 'a', 'b')), ['file']);
  writeDurably(path, ['three']);
  t.equal(readFileSync(path, 'utf8'), 'three', 'what was there is replaced');
  t.same(readdirSync(join(base, 'a', 'b')), ['file']);
  t.end();
});

t.test('a temporary file that a killed process left does not get in the way', (t) => {
  const base = t.testdir({ [`.file.${process.pid}.tmp`]: 'old' });
  writeDurably(join(base, 'file'), ['new']);
  t.equal(readFileSync(join(base, 'file'), 'utf8'), 'new');
  t.end();
});

t.test('a symbolic link is followed and stays', (t) => {
  const base = t.testdir({ real: { file: 'old' } });
  symlinkSync(join('real', 'file'), join(base, 'link'));
  writeDurably(join(base, 'link'), ['new']);
  t.ok(lstatSync(join(base, 'link')).isSymbolicLink());
  t.equal(readFileSync(join(base, 'real', 'file'), 'utf8'), 'new');
  t.same(readdirSync(base).sort(), ['link', 'real']);
  t.end();
});

const impossible = {
  'a folder': ['folder', /cannot write ".*folder" \(it is a folder\); choose a place/],
  'the name of a folder': ['new/', /\(it is the name of a folder\)/],
  'below a file': ['file/x', /\(E[A-Z]+: [a-z ]+\)/],
  'far below a file': ['file/x/y/z', /\(E[A-Z]+: [a-z ]+\)/],
  'a name that is too long': [`new/${'x'.repeat(300)}`, /\(E[A-Z]+: [a-z ]+\)/],
} as const;

for (const [what, [name, says]] of Object.entries(impossible)) {
  t.test(`${what} is refused by the write and by the check, and nothing is left behind`, (t) => {
    const base = t.testdir({ folder: { inside: '' }, file: 'old' });
    const path = join(base, name);
    const before = readdirSync(base, { recursive: true }).sort();
    for (const action of [() => checkWritable(path), () => writeDurably(path, ['new'])]) {
      t.match(refusal(action, 'OUTPUT'), says);
      t.same(readdirSync(base, { recursive: true }).sort(), before);
    }
    t.equal(readFileSync(join(base, 'file'), 'utf8'), 'old');
    t.end();
  });
}

t.test('a device is not replaced by a file', (t) => {
  for (const device of ['/dev/null', '/dev/full']) {
    if (!hasFile(t, device)) continue;
    t.match(
      refusal(() => checkWritable(device), 'OUTPUT'),
      /it is not a regular file/,
    );
    t.match(
      refusal(() => writeDurably(device, ['x']), 'OUTPUT'),
      /it is not a regular file/,
    );
    t.ok(statSync(device).isCharacterDevice(), `${device} is what it was`);
  }
  t.end();
});

t.test('/proc is refused at once: the system has no error there that would end a recursive mkdir', (t) => {
  if (!hasFile(t, '/proc')) {
    t.end();
    return;
  }
  t.match(
    refusal(() => writeDurably('/proc/lockstep/x/y', ['x']), 'OUTPUT'),
    /\(ENOENT: no such file or directory\)/,
  );
  t.match(
    refusal(() => checkWritable('/proc/lockstep/x'), 'OUTPUT'),
    /\(ENOENT: no such file or directory\)/,
  );
  t.end();
});

t.test('a check leaves nothing behind, and an existing file as it is', (t) => {
  const base = t.testdir({ file: 'old' });
  checkWritable(join(base, 'file'));
  checkWritable(join(base, 'a', 'b', 'new'));
  t.equal(readFileSync(join(base, 'file'), 'utf8'), 'old');
  t.same(readdirSync(base), ['file']);
  t.end();
});

t.test('folders that are made can be taken away again, unless somebody uses them', (t) => {
  const base = t.testdir();
  const made = makeFolders(join(base, 'a', 'b', 'c'));
  t.same(made, [join(base, 'a'), join(base, 'a', 'b'), join(base, 'a', 'b', 'c')]);
  t.same(makeFolders(join(base, 'a', 'b', 'c')), [], 'nothing is made twice');
  writeFileSync(join(base, 'a', 'used'), '');
  removeFolders(made);
  t.ok(existsSync(join(base, 'a', 'used')));
  t.notOk(existsSync(join(base, 'a', 'b')));
  mkdirSync(join(base, 'x'));
  t.throws(() => makeFolders(join(base, 'x', 'y', 'z'.repeat(300))));
  t.notOk(existsSync(join(base, 'x', 'y')), 'of a chain that cannot be made nothing stays');
  t.end();
});
