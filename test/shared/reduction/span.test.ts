/** Which shards and rows are whose. */
import t from 'tap';
import { assignSpan, newSpan, type Span, shardRows, shardStart } from '../../../shared/reduction/span.ts';

function spansOf(rows: number, shardSize: number, threads: number): Span[] {
  return Array.from({ length: threads }, (_, rank) => {
    const span = newSpan(shardSize);
    assignSpan(span, rows, rank, threads);
    return span;
  });
}

/** What is wrong with an assignment, or null. */
function flaw(rows: number, shardSize: number, threads: number): string | null {
  const spans = spansOf(rows, shardSize, threads);
  const shards = Math.ceil(rows / shardSize);
  let [shard, row] = [0, 0];
  for (const span of spans) {
    if (span.rows !== rows || span.shardCount !== shards || span.shardSize !== shardSize) return 'sizes';
    if (span.firstShard !== shard || span.endShard < shard) return 'shards do not follow';
    if (span.firstRow !== row || span.endRow < row) return 'rows do not follow';
    let held = 0;
    for (let i = span.firstShard; i < span.endShard; i++) {
      if (shardStart(span, i) !== row + held || shardRows(span, i) < 1) return 'rows of a shard';
      if (shardRows(span, i) !== Math.min(shardSize, rows - i * shardSize)) return 'size of a shard';
      held += shardRows(span, i);
    }
    if (span.endRow - span.firstRow !== held) return 'rows are not those of the shards';
    [shard, row] = [span.endShard, span.endRow];
  }
  if (shard !== shards || row !== rows) return 'not all';
  const counts = spans.map(({ firstShard, endShard }) => endShard - firstShard);
  return Math.max(...counts) - Math.min(...counts) <= 1 ? null : 'not as equal as can be';
}

t.test('threads partition the shards and rows of every small batch, as equally as they can be', (t) => {
  let cases = 0;
  for (let rows = 1; rows <= 40; rows++) {
    for (let shardSize = 1; shardSize <= 41; shardSize++) {
      for (let threads = 1; threads <= 12; threads++) {
        const wrong = flaw(rows, shardSize, threads);
        cases++;
        if (wrong !== null) t.fail(`${rows} rows, shards of ${shardSize}, ${threads} threads: ${wrong}`);
      }
    }
  }
  t.pass(`${cases} cases`);
  t.end();
});

t.test('so they do for the largest batch and the most threads', (t) => {
  for (const [rows, shardSize, threads] of [
    [65_536, 1, 1024],
    [65_535, 64, 1023],
    [65_536, 65_536, 1024],
    [1, 1, 1024],
  ]) {
    t.equal(flaw(rows, shardSize, threads), null, `${rows}, ${shardSize}, ${threads}`);
  }
  t.end();
});

t.test('a span that is assigned again forgets the batch before', (t) => {
  const span = newSpan(8);
  assignSpan(span, 64, 1, 2);
  assignSpan(span, 12, 1, 2);
  const fresh = newSpan(8);
  assignSpan(fresh, 12, 1, 2);
  t.same(span, fresh);
  t.same([span.firstShard, span.endShard, span.firstRow, span.endRow], [1, 2, 8, 12]);
  t.end();
});

t.test('threads without a shard have no rows', (t) => {
  const empty = spansOf(10, 8, 5).filter(({ firstShard, endShard }) => firstShard === endShard);
  t.equal(empty.length, 3);
  t.ok(empty.every(({ firstRow, endRow }) => firstRow === endRow));
  t.end();
});
