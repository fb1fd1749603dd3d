/** `lockstep train` in a real terminal, and where whoever reads what it shows goes away. */
import { join } from 'node:path';
import t from 'tap';
import { everythingBelow, jsonOf, lockstep, whenShown } from '../helpers/cli.ts';
import { hasPseudoTerminal, lockstepInTerminal } from '../helpers/pseudo-terminal.ts';
import { tinyRecipe, writeTinyData } from '../helpers/tiny-data.ts';

t.setTimeout(180_000);

const data = writeTinyData(join(t.testdir(), 'data'));
const train = ['train', ...tinyRecipe, '--data', data];
const skip = hasPseudoTerminal() ? false : 'there is no script of util-linux';
/** A part of the block, which must be gone in the end. */
const block = /[█░]{3}|^loss .*[▁-█]{2}|\d left$/;

t.test('in a terminal a block moves, and nothing of it is left', { skip }, async (t) => {
  for (const columns of [80, 40]) {
    const { code, lines, raw } = await lockstepInTerminal([...train, '--epochs', '500', '--no-run'], {
      cwd: t.testdir(),
      columns,
    });
    t.equal(code, 0, lines.join('\n'));
    t.match(raw, /█.*░/, 'there was a block');
    t.ok(raw.includes('\u001b['), 'with colours');
    t.same(
      lines.filter((line) => block.test(line)),
      [],
      `${columns} columns: nothing of it is left`,
    );
    t.ok(lines.every((line) => line.length <= columns));
    const summary = lines.findIndex((line) => line.startsWith('test accuracy'));
    t.ok(lines.findIndex((line) => line.startsWith('label')) < summary && summary > 0, 'the summary is last');
    t.equal(lines.filter((line) => line.startsWith('epoch ')).length, 500, 'each epoch has its line');
  }
});

t.test('^C takes the block away, and says how to go on', { skip }, async (t) => {
  const { code, lines, raw } = await lockstepInTerminal([...train, '--epochs', '1000000', '--run', 'r'], {
    cwd: t.testdir(),
    columns: 80,
    environment: { NO_COLOR: '1' },
    when: { shown: /^epoch +\d+\/1000000 {2}█*░/m, act: (press) => press('\u0003') },
  });
  t.equal(code, 130, lines.slice(-5).join('\n'));
  t.match(raw, '^C', 'it was pressed');
  t.same(
    lines.filter((line) => block.test(line)),
    [],
    'nothing of the block is left',
  );
  t.ok(lines.includes('SIGINT: stopping after this step; again to end at once'));
  t.match(lines.join('\n'), /^to go on: .*--resume r/m);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are looked for
  t.notMatch(raw, /\u001b\[\d*m/, 'NO_COLOR: no colours');
});

t.test('a dumb terminal gets plain lines', { skip }, async (t) => {
  const { code, raw } = await lockstepInTerminal([...train, '--epochs', '2', '--no-run'], {
    cwd: t.testdir(),
    columns: 80,
    environment: { TERM: 'dumb' },
  });
  t.equal(code, 0);
  t.notMatch(raw.replaceAll('\r\n', ''), /\p{Cc}/u);
  t.match(raw, /^epoch 2\/2 {2}loss/m);
});

t.test('a pipe that closes early ends the display, not the run', async (t) => {
  const cwd = t.testdir();
  let isClosed = false;
  const { code, stderr, stdout } = await lockstep([...train, '--epochs', '300', '--run', 'r'], {
    cwd,
    during: (child) =>
      whenShown(child.stdout, 'Lockstep', () => {
        isClosed = true;
        child.stdout?.destroy();
      }),
  });
  t.ok(isClosed);
  t.notMatch(stdout, 'weights digest', 'it was closed before the end');
  t.equal(code, 0);
  t.equal(stderr, '', 'no word of it');
  t.ok(everythingBelow(join(cwd, 'r')).includes('model.safetensors'), 'the run went on to its end');
  const again = jsonOf(await lockstep(['train', '--resume', 'r', '--json'], { cwd }));
  t.equal(again.epochs, 300);
});

t.test('the same where lines for people go to a stderr that closes early', async (t) => {
  const cwd = t.testdir();
  const result = await lockstep([...train, '--epochs', '300', '--no-run', '--json'], {
    cwd,
    during: (child) => whenShown(child.stderr, 'Lockstep', () => child.stderr?.destroy()),
  });
  t.equal(result.code, 0);
  t.notMatch(result.stderr, 'weights digest');
  t.equal(jsonOf(result).epochs, 300);
});

t.test('a JSON object that nobody reads is a failure, in one line', async (t) => {
  const cwd = t.testdir();
  const { code, stderr } = await lockstep([...train, '--run', 'r', '--json', '--quiet'], {
    cwd,
    during: (child) => child.stdout?.destroy(),
  });
  t.equal(code, 1);
  t.match(stderr, /^lockstep: cannot write to stdout \(.*EPIPE.*\)\n$/);
  t.ok(everythingBelow(join(cwd, 'r')).includes('model.safetensors'), 'but nothing else is lost');
});
