/** How the charts are to be shown: what the page has controls for, kept while the tab is open. */
import { byId } from './elements.ts';
import { type Axis, axes } from './logic/curves.ts';

export interface ChartChoices {
  readonly axis: Axis;
  /** Weight of the smoothing. */
  readonly weight: number;
  readonly isLogarithmic: boolean;
}

const storageKey = 'charts';

/** Sets the controls as they were, and calls back whenever they change. Returns what reads them. */
export function chartControls(onChange: () => void): () => ChartChoices {
  const slider = byId('smoothing') as HTMLInputElement;
  const logarithmic = byId('logarithmic') as HTMLInputElement;
  const radios = [...document.querySelectorAll<HTMLInputElement>('input[name=axis]')];
  const kept = new URLSearchParams(sessionStorage.getItem(storageKey) ?? '');
  for (const radio of radios) {
    if (radio.value === kept.get('axis')) radio.checked = true;
    if (radio.value === 'time') {
      const label = radio.closest('label') ?? radio;
      label.title = 'Time of training, without evaluations and checkpoints';
    }
  }
  slider.value = kept.get('smoothing') ?? slider.value;
  logarithmic.checked = kept.get('logarithmic') === 'true';

  const read = (): ChartChoices => {
    const chosen = radios.find(({ checked }) => checked)?.value;
    return {
      axis: axes.find((axis) => axis === chosen) ?? 'step',
      weight: Number(slider.value),
      isLogarithmic: logarithmic.checked,
    };
  };
  const say = (): void => {
    byId('smoothing-value').textContent = read().weight.toFixed(2);
  };
  for (const input of [slider, logarithmic, ...radios]) {
    input.addEventListener('input', () => {
      const { axis, weight, isLogarithmic } = read();
      const choices = { axis, smoothing: String(weight), logarithmic: String(isLogarithmic) };
      sessionStorage.setItem(storageKey, new URLSearchParams(choices).toString());
      say();
      onChange();
    });
  }
  say();
  return read;
}
