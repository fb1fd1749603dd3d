/** What travelled between a worker and the coordinator, as the account of who did what has it. */
import type { Travelled } from '../shared/training.ts';
import { bytesOf, type Traffic } from '../shared/wire/traffic.ts';

/** Sums up a worker's traffic, as the coordinator's ends of its connections counted it. */
export function travelled(
  { sent, received }: Traffic,
  { steps, gradients, gradientBytes }: Pick<Travelled, 'steps' | 'gradients' | 'gradientBytes'>,
): Travelled {
  const perStep = (bytes: number) => (steps === 0 ? 0 : bytes / steps);
  return {
    bytesUp: bytesOf(received),
    bytesDown: bytesOf(sent),
    steps,
    gradients,
    gradientBytes,
    bytesUpPerStep: perStep(bytesOf(received, ['partial', 'control'])),
    bytesDownPerStep: perStep(bytesOf(sent, ['total', 'control'])),
  };
}
