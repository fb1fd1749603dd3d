/** A block of lines at the bottom of a terminal: what is left of it, whatever happens. */
import t from 'tap';
import { Screen } from '../../../scripts/commands/screen.ts';
import { FakeTerminal } from '../../helpers/terminal.ts';

const newScreen = (terminal: FakeTerminal) => new Screen(terminal.stream, false);

t.test('a block is drawn over itself, lines go above it, and in the end nothing is left', (t) => {
  const terminal = new FakeTerminal();
  const screen = newScreen(terminal);
  screen.line('head');
  screen.block(['epoch 1', 'mara', 'otto']);
  screen.block(['epoch 2', 'm', 'otto', 'anna']);
  t.same(terminal.lines, ['head', 'epoch 2', 'm', 'otto', 'anna']);
  screen.line('otto left');
  t.same(terminal.lines, ['head', 'otto left', 'epoch 2', 'm', 'otto', 'anna']);
  screen.block(['epoch 3']);
  t.same(terminal.lines, ['head', 'otto left', 'epoch 3']);
  screen.status('');
  t.same(terminal.lines, ['head', 'otto left', '']);
  t.end();
});

t.test('a drawing is one write, and none where nothing has changed', (t) => {
  const terminal = new FakeTerminal();
  const screen = newScreen(terminal);
  screen.block(['a', 'b']);
  screen.block(['a', 'b']);
  t.equal(terminal.writes, 1);
  screen.block(['a', 'c']);
  t.equal(terminal.writes, 2);
  t.end();
});

t.test('a block has no more lines and no wider ones than the terminal has room for', (t) => {
  const terminal = new FakeTerminal(40, true, 6);
  const screen = newScreen(terminal);
  screen.block(Array.from({ length: 20 }, (_, i) => `${i} ${'工'.repeat(40)}`));
  t.equal(terminal.lines.length, 5);
  t.equal(terminal.lines[0], `0 ${'工'.repeat(17)}`, '36 columns of 37, as 3 are left for ^C');
  screen.block([]);
  t.same(terminal.lines, ['']);
  t.end();
});

t.test('a block that a narrower terminal has folded is found and taken away', (t) => {
  const terminal = new FakeTerminal(80);
  const screen = newScreen(terminal);
  screen.line('head');
  const block = ['a'.repeat(70), 'b'.repeat(30), 'c'.repeat(77)];
  screen.block(block);
  terminal.resize(40);
  t.same(
    terminal.lines.map((line) => line.length),
    [4, 40, 30, 30, 40, 37],
    'it was folded',
  );
  screen.block(block);
  t.same(terminal.lines, ['head', ...block.map((line) => line.slice(0, 37))]);
  terminal.resize(20);
  screen.block([]);
  t.same(terminal.lines, ['head', '']);
  t.end();
});

t.test('a block that grows wider again is drawn in full', (t) => {
  const terminal = new FakeTerminal(40);
  const screen = newScreen(terminal);
  screen.block(['a'.repeat(70)]);
  terminal.resize(80);
  screen.line('head');
  t.same(terminal.lines, ['head', 'a'.repeat(70)]);
  t.end();
});

t.test('an animation draws what changes until it is ended', async (t) => {
  const terminal = new FakeTerminal();
  const screen = newScreen(terminal);
  let turn = 0;
  const end = screen.animate(() => [`turn ${++turn}`, 'below']);
  await terminal.until(([first]) => first === 'turn 3');
  t.equal(terminal.writes, 3, 'one write a turn');
  const listeners = process.listenerCount('SIGCONT');
  end();
  t.equal(process.listenerCount('SIGCONT'), listeners - 1);
  t.same(terminal.lines, ['']);
  end();
  t.same(terminal.lines, [''], 'ending it twice does nothing');
});

t.test('however many lines come, an animated block is drawn at most ten times a second', async (t) => {
  const terminal = new FakeTerminal();
  const screen = newScreen(terminal);
  let turn = 0;
  const end = screen.animate(() => [`turn ${++turn}`]);
  const startMs = performance.now();
  for (let i = 0; i < 1000; i++) screen.line(`line ${i}`);
  const drawings = () => terminal.raw.split('turn').length - 1;
  t.ok(drawings() <= 10 * (1 + Math.floor((performance.now() - startMs) / 1000)), `${drawings()} drawings`);
  t.match(terminal.lines.at(-1), /^(turn \d+)?$/);
  t.equal(terminal.lines.filter((line) => line.startsWith('line')).length, 1000);
  const before = drawings();
  await terminal.until((lines) => lines.at(-1)?.startsWith('turn') === true);
  t.ok(drawings() >= before, 'and comes back');
  end();
  t.equal(terminal.lines.length, 1001);
});

t.test('back from ^Z the block is drawn below what the shell has written', async (t) => {
  const terminal = new FakeTerminal();
  const screen = newScreen(terminal);
  let turn = 0;
  const end = screen.animate(() => ['block', `turn ${++turn}`]);
  await terminal.until((lines) => lines.length === 2);
  terminal.write('^Z\n[1]+  Stopped\n$ fg\n');
  process.emit('SIGCONT');
  await terminal.until((lines) => lines.at(-1)?.startsWith('turn') === true);
  t.same(terminal.lines.slice(0, 5), ['block', 'turn 1^Z', '[1]+  Stopped', '$ fg', 'block']);
  end();
});

t.test('without a terminal, on a dumb one or when quiet nothing moves', async (t) => {
  const term = process.env.TERM;
  t.teardown(() => {
    process.env.TERM = term ?? '';
  });
  const raw = (terminal: FakeTerminal, quiet: boolean) => {
    const screen = new Screen(terminal.stream, quiet);
    screen.block(['a', 'b']);
    screen.line('line');
    screen.animate(() => ['c'])();
    return terminal.raw;
  };
  t.equal(raw(new FakeTerminal(80, false), false), 'line\n');
  t.equal(raw(new FakeTerminal(80, true), true), '');
  process.env.TERM = 'dumb';
  t.equal(raw(new FakeTerminal(80, true), false), 'line\n');
});

t.test('colours are for terminals, and not where NO_COLOR asks for none', (t) => {
  const { NO_COLOR } = process.env;
  t.teardown(() => {
    if (NO_COLOR === undefined) delete process.env.NO_COLOR;
    else process.env.NO_COLOR = NO_COLOR;
  });
  delete process.env.NO_COLOR;
  t.equal(newScreen(new FakeTerminal()).style('red', 'late'), '\u001b[31mlate\u001b[39m');
  t.equal(newScreen(new FakeTerminal(80, false)).style('red', 'late'), 'late');
  process.env.NO_COLOR = '1';
  t.equal(newScreen(new FakeTerminal()).style('red', 'late'), 'late');
  t.end();
});

t.test('a terminal that does not know its size is taken for one of 80 columns', (t) => {
  const written: string[] = [];
  const stream = { isTTY: true, columns: 0, rows: 0, write: (text: string) => written.push(text) };
  const screen = new Screen(stream as unknown as NodeJS.WriteStream, false);
  t.equal(screen.columns, 80);
  t.same(screen.room, { columns: 77, lines: 23 });
  screen.block(['a'.repeat(100), 'b']);
  screen.block(['c']);
  t.equal(written[0], `${'a'.repeat(77)}\u001b[K\nb\u001b[K`);
  t.ok(written[1].endsWith('c\u001b[K'));
  t.end();
});
