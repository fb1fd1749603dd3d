/** The pad that is drawn on: by mouse, finger, pen or keyboard. */
import { announce } from './announce.ts';
import { element } from './elements.ts';
import { Drawing, drawingSide, type Point } from './logic/drawing.ts';
import { paintGrey, sampleSide } from './sample-canvas.ts';

/** The pen of the keyboard goes from one pixel that the model sees to the next. */
const stride = drawingSide / sampleSide;

export class Pad {
  readonly drawing = new Drawing();
  readonly #canvas: HTMLCanvasElement;
  readonly #onDrawn: () => void;
  readonly #onLifted: () => void;
  /** Where the pointer is that draws, and which of several it is. */
  #pointer: { readonly id: number; at: Point } | null = null;
  #pen: Point = { x: stride * (sampleSide / 2 - 0.5), y: stride * (sampleSide / 2 - 0.5) };
  #isDown = false;
  #isPenShown = false;
  #isPainting = false;

  /** @param onDrawn after every change @param onLifted after a line is done */
  constructor(place: HTMLElement, onDrawn: () => void, onLifted: () => void) {
    this.#onDrawn = onDrawn;
    this.#onLifted = onLifted;
    this.#canvas = element('canvas', {
      id: 'pad',
      width: drawingSide,
      height: drawingSide,
      tabindex: 0,
      role: 'application',
      'aria-label': 'Drawing pad',
      'aria-describedby': 'pad-help',
    });
    place.append(this.#canvas);
    this.#canvas.addEventListener('pointerdown', (event) => this.#onPointerDown(event));
    this.#canvas.addEventListener('pointermove', (event) => this.#onPointerMove(event));
    for (const end of ['pointerup', 'pointercancel'] as const) {
      this.#canvas.addEventListener(end, (event) => this.#onPointerEnd(event));
    }
    this.#canvas.addEventListener('keydown', (event) => this.#onKey(event));
    this.#canvas.addEventListener('blur', () => {
      this.#isPenShown = false;
      this.#paint();
    });
    this.#paint();
  }

  clear(): void {
    this.drawing.clear();
    this.#isDown = false;
    this.#paint();
    this.#onDrawn();
    this.#onLifted();
  }

  #line(from: Point, to: Point): void {
    this.drawing.line(from, to);
    this.#paint();
    this.#onDrawn();
  }

  #onPointerDown(event: PointerEvent): void {
    if (this.#pointer !== null || event.button !== 0) return;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#isPenShown = false;
    const at = this.#placeOf(event);
    this.#pointer = { id: event.pointerId, at };
    this.#line(at, at);
  }

  #onPointerMove(event: PointerEvent): void {
    if (this.#pointer?.id !== event.pointerId) return;
    const passed = event.getCoalescedEvents();
    for (const one of passed.length > 0 ? passed : [event]) {
      const to = this.#placeOf(one);
      this.#line(this.#pointer.at, to);
      this.#pointer.at = to;
    }
  }

  #onPointerEnd(event: PointerEvent): void {
    if (this.#pointer?.id !== event.pointerId) return;
    this.#pointer = null;
    this.#onLifted();
  }

  #placeOf({ clientX, clientY }: PointerEvent): Point {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    return { x: ((clientX - left) / width) * drawingSide, y: ((clientY - top) / height) * drawingSide };
  }

  #onKey(event: KeyboardEvent): void {
    const ways: Record<string, readonly [number, number]> = {
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, -1],
      ArrowDown: [0, 1],
    };
    const way = ways[event.key];
    if (way !== undefined) this.#move(way);
    else if (event.key === ' ') this.#turnPen();
    else if (event.key === 'Delete' || event.key === 'Backspace') {
      this.clear();
      announce('cleared');
    } else return;
    event.preventDefault();
    this.#isPenShown = true;
    this.#paint();
  }

  #move([dx, dy]: readonly [number, number]): void {
    const from = this.#pen;
    const inside = (value: number) => Math.min(drawingSide - stride / 2, Math.max(stride / 2, value));
    this.#pen = { x: inside(from.x + dx * stride), y: inside(from.y + dy * stride) };
    if (this.#isDown) this.#line(from, this.#pen);
    announce(this.#whereabouts());
  }

  #turnPen(): void {
    this.#isDown = !this.#isDown;
    if (this.#isDown) this.#line(this.#pen, this.#pen);
    else this.#onLifted();
    announce(`pen ${this.#isDown ? 'down' : 'up'}, ${this.#whereabouts()}`);
  }

  #whereabouts(): string {
    const [column, row] = [this.#pen.x, this.#pen.y].map((value) => Math.floor(value / stride) + 1);
    return `column ${column}, row ${row}`;
  }

  /** Once a frame at most, whatever happens in it. */
  #paint(): void {
    if (this.#isPainting) return;
    this.#isPainting = true;
    requestAnimationFrame(() => {
      this.#isPainting = false;
      paintGrey(this.#canvas, this.drawing.image.values);
      const pen = this.#canvas.getContext('2d');
      if (!this.#isPenShown || pen === null) return;
      pen.lineWidth = 2;
      pen.strokeStyle = this.#isDown ? '#ff9d4d' : '#7fb2ff';
      pen.beginPath();
      pen.arc(this.#pen.x, this.#pen.y, 9, 0, 2 * Math.PI);
      pen.stroke();
    });
  }
}
