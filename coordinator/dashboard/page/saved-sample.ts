/** What the model sees of a drawing, and links to save it. */
import { byId, element } from './elements.ts';
import { paintGrey, sampleCanvas, sampleSide } from './sample-canvas.ts';

export class SavedSample {
  readonly #canvas = sampleCanvas(
    new Uint8Array(sampleSide * sampleSide),
    'What the model sees: 28 by 28 pixels',
  );
  readonly #png = element('a', { id: 'save-png', download: 'digit.png' }, 'Save as PNG');
  readonly #raw = element('a', { id: 'save-raw', download: 'digit.raw' }, 'Save as bytes');
  /** So that a picture that is packed late does not stand behind a newer one. */
  #shown = 0;

  constructor() {
    byId('sample').append(this.#canvas);
    byId('saving').prepend(element('p', {}, this.#png, ' ', this.#raw));
    this.show(null);
  }

  /** @param sample (28, 28) bytes, or null while nothing is drawn */
  show(sample: Uint8Array | null): void {
    const shown = ++this.#shown;
    paintGrey(this.#canvas, sample ?? new Uint8Array(sampleSide * sampleSide));
    byId('saving').hidden = sample === null;
    offer(this.#raw, sample === null ? null : new Blob([sample.slice()]));
    this.#canvas.toBlob((blob) => {
      if (shown === this.#shown) offer(this.#png, sample === null ? null : blob);
    }, 'image/png');
  }
}

function offer(link: HTMLAnchorElement, blob: Blob | null): void {
  if (link.href !== '') URL.revokeObjectURL(link.href);
  if (blob === null) link.removeAttribute('href');
  else link.href = URL.createObjectURL(blob);
}
