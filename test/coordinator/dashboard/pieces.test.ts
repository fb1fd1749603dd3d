/** Much is written piece by piece, each once the last has left. */
import type { ServerResponse } from 'node:http';
import t from 'tap';
import { pieceBytes, writePieces } from '../../../coordinator/dashboard/pieces.ts';

/** A response that tells a piece has left when it is asked to. */
class PlayedResponse {
  readonly written: Uint8Array[] = [];
  #left: ((error?: Error) => void) | undefined;

  cork(): void {}

  uncork(): void {}

  write(piece: Uint8Array, left?: (error?: Error) => void): boolean {
    if (this.#left !== undefined) throw new Error('the last has not left yet');
    this.written.push(piece);
    this.#left = left;
    return true;
  }

  leave(error?: Error): void {
    const left = this.#left;
    this.#left = undefined;
    left?.(error);
  }

  get asResponse(): ServerResponse {
    return this as unknown as ServerResponse;
  }
}

const part = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 7) % 251);

t.test('all bytes in their order, no more than a piece at a time', (t) => {
  for (const lengths of [
    [0],
    [],
    [1],
    [10, 20, 30],
    [pieceBytes],
    [pieceBytes + 1],
    [5, 3 * pieceBytes, 7, pieceBytes - 7, 1],
  ]) {
    const response = new PlayedResponse();
    const parts = lengths.map(part);
    let isDone = false;
    writePieces(response.asResponse, parts, () => {
      isDone = true;
    });
    let before = 0;
    const sizes: number[] = [];
    for (let i = 0; i < 20 && !isDone; i++) {
      const now = response.written.slice(before);
      sizes.push(now.reduce((sum, { length }) => sum + length, 0));
      before = response.written.length;
      response.leave();
    }
    t.ok(isDone);
    t.ok(sizes.every((bytes) => bytes <= pieceBytes));
    t.ok(Buffer.concat(response.written).equals(Buffer.concat(parts)), lengths.join(', '));
  }
  t.end();
});

t.test('nothing more is written to a connection that broke', (t) => {
  const response = new PlayedResponse();
  writePieces(response.asResponse, [part(3 * pieceBytes)], () => t.fail('it is not done'));
  response.leave();
  response.leave(new Error('it broke'));
  t.equal(response.written.length, 2);
  t.end();
});
