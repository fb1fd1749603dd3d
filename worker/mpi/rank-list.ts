/** `rank 3`, `ranks 0–2, 5 and 7`. */
export function listRanks(ranks: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const rank of ranks) {
    const last = runs.at(-1);
    if (last !== undefined && last[1] === rank - 1) last[1] = rank;
    else runs.push([rank, rank]);
  }
  const texts = runs.flatMap(([from, to]) =>
    to - from < 2 ? [...new Set([`${from}`, `${to}`])] : [`${from}–${to}`],
  );
  const shown = texts.length > 8 ? [...texts.slice(0, 7), `${texts.length - 7} more`] : texts;
  const list = shown.length < 2 ? shown.join() : `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}`;
  return `${ranks.length === 1 ? 'rank' : 'ranks'} ${list}`;
}
