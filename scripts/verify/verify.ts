/** Trains a recipe in several ways and compares what they come to. */
import { LockstepError, reasonOf } from '../../shared/errors.ts';
import type { Summary } from '../summary.ts';
import type { Program } from './program.ts';
import { runWay, type Subject } from './run-way.ts';
import type { Way } from './ways.ts';

/** What came of one way. */
export interface WayResult {
  readonly way: Way;
  /** The kernels that the trainer used, or its workers. */
  readonly kernels: string;
  readonly seconds: number;
  /** Null where the way could not be gone; `failure` says why. */
  readonly digests: Digests | null;
  readonly failure: string | null;
  readonly isSame: boolean;
}

export type Digests = Pick<Summary, 'recipeId' | 'weightsDigest' | 'stateDigest' | 'chain'>;

export interface Verdict {
  readonly results: readonly WayResult[];
  /** Of the first way that could be gone. */
  readonly first: Digests | null;
  /** What the weights digest must be: the one that is known, or that of the first way. */
  readonly expected: string | null;
  readonly outcome: 'same' | 'different' | 'failed';
}

/**
 * Goes all ways, one after the other.
 * @param knownOf the weights digest that a recipe, by its id, is known to have, or null to compare with the first way
 * @param tell called before each way, and with its result
 */
export async function verify(
  ways: readonly Way[],
  subject: Subject,
  knownOf: (recipeId: string) => string | null,
  program: Program,
  tell: { begin(way: Way): void; end(result: WayResult): void },
): Promise<Verdict> {
  const results: WayResult[] = [];
  let first: Digests | null = null;
  const expectedOf = ({ recipeId, weightsDigest }: Digests) => knownOf(recipeId) ?? weightsDigest;
  for (const way of ways) {
    tell.begin(way);
    const result = await go(way, subject, program, (digests) => {
      first ??= digests;
      const { recipeId, stateDigest, chain } = first;
      return (
        digests.weightsDigest === expectedOf(first) &&
        digests.stateDigest === stateDigest &&
        digests.chain === chain &&
        digests.recipeId === recipeId
      );
    });
    results.push(result);
    tell.end(result);
  }
  const gone = results.filter(({ digests }) => digests !== null);
  const isSame = gone.every((result) => result.isSame);
  return {
    results,
    first,
    expected: first === null ? null : expectedOf(first),
    outcome: isSame ? (gone.length === results.length ? 'same' : 'failed') : 'different',
  };
}

async function go(
  way: Way,
  subject: Subject,
  program: Program,
  isSame: (digests: Digests) => boolean,
): Promise<WayResult> {
  const startMs = performance.now();
  const seconds = () => (performance.now() - startMs) / 1000;
  try {
    const { recipeId, weightsDigest, stateDigest, chain, kernels } = await runWay(way, subject, program);
    const digests = { recipeId, weightsDigest, stateDigest, chain };
    return { way, kernels, seconds: seconds(), digests, failure: null, isSame: isSame(digests) };
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    const failure = reasonOf(error);
    return { way, kernels: way.kernels, seconds: seconds(), digests: null, failure, isSame: false };
  }
}
