/** Numbers and times as the page writes them. */

/** `1,234,567`. */
export function grouped(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** Four digits that matter: `0.1234`, `12.34`, `1.234e-7`. */
export function shortNumber(value: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 10_000) return size < 1e9 ? grouped(value) : value.toExponential(2);
  if (size < 0.0001) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}

/** `97.31 %` of 0.9731. */
export function percent(share: number, digits = 2): string {
  return `${(100 * share).toFixed(digits)} %`;
}

/** `99 %` of 9,379 of 9,380: all of it is said only of all of it. */
export function wholePercent(part: number, whole: number): string {
  return `${whole === 0 ? 100 : Math.min(100, Math.floor((100 * part) / whole))} %`;
}

/** `48 s`, `3 min 20 s`, `2 h 05 min`, `3 d 4 h`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [minutes, hours] = [Math.floor(whole / 60), Math.floor(whole / 3600)];
  if (whole < 60) return `${whole} s`;
  if (hours === 0) return `${minutes} min ${pad(whole % 60)} s`;
  if (hours < 48) return `${hours} h ${pad(minutes % 60)} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** `0.42 ms`, `12 ms`, `1.2 s`. */
export function milliseconds(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return ms >= 10 ? `${Math.round(ms)} ms` : `${ms.toFixed(2)} ms`;
}

/** `14:03:27`, as clocks here show it. */
export function clock(atMs: number): string {
  const time = new Date(atMs);
  return [time.getHours(), time.getMinutes(), time.getSeconds()].map(pad).join(':');
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
