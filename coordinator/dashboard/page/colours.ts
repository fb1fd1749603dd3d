/** Colours for what is drawn on a canvas: those of the style sheet, light or dark. */

/** The value of a custom property: `colour('--train')`. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Calls back when light turns to dark, or the other way round. */
export function onTheme(callback: () => void): void {
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', callback);
}
