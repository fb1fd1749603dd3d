/** The losses of a whole run in little memory: averages of so many steps each, twice as many whenever they are too many. */

const mostPoints = 256;
const bars = '▁▂▃▄▅▆▇█';

export class LossHistory {
  /** Averages of `#each` steps. */
  #points: number[] = [];
  #each = 1;
  /** Of the steps that are no point yet. */
  #sum = 0;
  #count = 0;

  /** Takes the loss of the next step. */
  add(loss: number): void {
    this.#sum += loss;
    this.#count += 1;
    if (this.#count < this.#each) return;
    this.#points.push(this.#sum / this.#count);
    this.#sum = 0;
    this.#count = 0;
    if (this.#points.length < mostPoints) return;
    this.#points = pairs(this.#points);
    this.#each *= 2;
  }

  /** All of it in at most so many points; what is there stays where it is until they are too many. */
  points(most: number): readonly number[] {
    let points = this.#points;
    while (points.length > Math.max(1, most)) points = pairs(points);
    return points;
  }
}

/** Losses fall by the same share rather than by the same amount, so heights go by their logarithms. */
export function sparkline(losses: readonly number[]): string {
  const heights = losses.map((loss) => Math.log(Math.max(loss, Number.MIN_VALUE)));
  const least = Math.min(...heights);
  const range = Math.max(...heights) - least;
  return heights
    .map((height) => bars[range === 0 ? 0 : Math.round(((height - least) / range) * (bars.length - 1))])
    .join('');
}

function pairs(points: readonly number[]): number[] {
  return Array.from({ length: Math.ceil(points.length / 2) }, (_, i) => {
    const [first, second = first] = points.slice(2 * i, 2 * i + 2);
    return (first + second) / 2;
  });
}
