/**
 * Copies of what is on its way out, where the original will change. Their memory is used again once everything has left:
 * new pages for every frame would cost more than the copy itself.
 */
export class Outgoing {
  readonly #buffers: Uint8Array[] = [];
  #next = 0;

  /** A copy that is good until all that was sent over the link has left. */
  copy(bytes: Uint8Array, link: { readonly bufferedBytes: number }): Uint8Array {
    if (link.bufferedBytes === 0) this.#next = 0;
    let buffer = this.#buffers[this.#next];
    if (buffer === undefined || buffer.length < bytes.length) {
      buffer = new Uint8Array(bytes.length);
      this.#buffers[this.#next] = buffer;
    }
    this.#next += 1;
    const copy = buffer.subarray(0, bytes.length);
    copy.set(bytes);
    return copy;
  }
}
