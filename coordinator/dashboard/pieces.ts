/** Writing much to somebody who may read slowly. */
import type { ServerResponse } from 'node:http';

export const pieceBytes = 64 * 1024;

/**
 * Writes parts piece by piece, each once the last has left. Whoever reads, however slowly, is so seen to read: within one
 * large write nobody can tell, under TLS, and would be cut as one who has stopped.
 * @param done called when all has left; never, if the connection closes before
 */
export function writePieces(response: ServerResponse, parts: readonly Uint8Array[], done: () => void): void {
  const pieces = parts.flatMap(cut);
  const writeFrom = (first: number): void => {
    let end = first;
    let bytes = 0;
    do bytes += pieces[end++].length;
    while (end < pieces.length && bytes + pieces[end].length <= pieceBytes);
    response.cork();
    for (let i = first; i < end - 1; i++) response.write(pieces[i]);
    response.write(pieces[end - 1], (error) => {
      if (error) return;
      if (end < pieces.length) writeFrom(end);
      else done();
    });
    response.uncork();
  };
  if (pieces.length === 0) done();
  else writeFrom(0);
}

/** Views of the same bytes. */
function cut(part: Uint8Array): Uint8Array[] {
  const count = Math.ceil(part.length / pieceBytes);
  return Array.from({ length: count }, (_, i) => part.subarray(i * pieceBytes, (i + 1) * pieceBytes));
}
