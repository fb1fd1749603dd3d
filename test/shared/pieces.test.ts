import fc from 'fast-check';
import t from 'tap';
import { bytesOfPieces, readPieces, writePieces } from '../../shared/pieces.ts';

t.test('pieces are read and written as the one run of bytes that they are, and nothing beside it', (t) => {
  const lengths = fc.array(fc.nat(9), { maxLength: 5 });
  fc.assert(
    fc.property(lengths, fc.nat(45), fc.nat(45), (all, a, b) => {
      const pieces = all.map((length, i) => new Uint8Array(length).map((_, j) => 10 * i + j));
      const whole = Buffer.concat(pieces);
      if (bytesOfPieces(pieces) !== whole.length) return false;
      const [first, end] = [Math.min(a, b, whole.length), Math.min(Math.max(a, b), whole.length)];
      const out = new Uint8Array(end - first);
      readPieces(pieces, first, out);
      const written = new Uint8Array(end - first).fill(255);
      writePieces(pieces, first, written);
      const expected = Buffer.from(whole).fill(255, first, end);
      return whole.subarray(first, end).equals(out) && Buffer.concat(pieces).equals(expected);
    }),
    { seed: 20261123, numRuns: 1000 },
  );
  t.end();
});
