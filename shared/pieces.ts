/** Several views of memory as one run of bytes, end to end: how data sets and replicas are cut into chunks. */
export type Pieces = readonly Uint8Array[];

export function bytesOfPieces(pieces: Pieces): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}

/** Copies the bytes from `first` on out of the pieces, as many as `out` holds. */
export function readPieces(pieces: Pieces, first: number, out: Uint8Array): void {
  eachPart(pieces, first, out.length, (part, at) => out.set(part, at));
}

/** Writes bytes into the pieces, from `first` on. */
export function writePieces(pieces: Pieces, first: number, bytes: Uint8Array): void {
  eachPart(pieces, first, bytes.length, (part, at) => part.set(bytes.subarray(at, at + part.length)));
}

/** The parts of pieces that bytes `first … first+count−1` fall on, each with its place among these bytes. */
function eachPart(
  pieces: Pieces,
  first: number,
  count: number,
  visit: (part: Uint8Array, at: number) => void,
): void {
  let before = 0;
  for (const piece of pieces) {
    const from = Math.max(first - before, 0);
    const to = Math.min(first + count - before, piece.length);
    if (from < to) visit(piece.subarray(from, to), before + from - first);
    before += piece.length;
  }
}
