/** Records a step of one thread now and then, as segments from phase to phase. */
import type { SharedMemory } from '../shared/kernels/webassembly.ts';
import type { MemoryPlan } from '../shared/model/memory-plan.ts';
import { PhaseClock } from './phase-clock.ts';
import { RecordingWriter, systemClockOffsetMs } from './recording.ts';

export class Recorder {
  /** For what is to be recorded; it runs from `begin` to `end`. */
  readonly clock: PhaseClock;
  readonly #writer: RecordingWriter;
  readonly #every: () => number;
  #isOn = false;

  /**
   * @param every says of what number of committed steps a multiple is recorded; 0: none
   * @param nowMs on the system's clock
   */
  constructor(
    memory: SharedMemory,
    plan: MemoryPlan,
    rank: number,
    every: () => number,
    nowMs: () => number = systemClockOfThread(),
  ) {
    this.#writer = new RecordingWriter(memory, plan, rank);
    this.#every = every;
    this.clock = new PhaseClock((phase, fromMs, toMs) => this.#writer.add(phase, fromMs, toMs), nowMs);
  }

  /** True while a step is being recorded. */
  get isOn(): boolean {
    return this.#isOn;
  }

  /** Begins to record the step after so many, if it is due; a step that was not ended is forgotten. */
  begin(committed: number): boolean {
    const every = this.#every();
    this.#isOn = every !== 0 && committed % every === 0 && this.#writer.hasRoom;
    if (this.#isOn) this.#writer.begin(committed, this.clock.start());
    return this.#isOn;
  }

  /** The step is over: whoever reads gets it. */
  end(): void {
    this.#isOn = false;
    this.clock.turnTo('other');
    this.#writer.end();
  }
}

/** The system's clock at the price of a thread's own. */
function systemClockOfThread(): () => number {
  const offsetMs = systemClockOffsetMs();
  return () => performance.now() + offsetMs;
}
