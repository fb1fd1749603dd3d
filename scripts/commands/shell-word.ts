/** Commands as they are typed into a shell. */

/** One word of a shell's command line, in quotes where it needs them. */
export function shellWord(word: string): string {
  if (/^[\w./=,:@+-]+$/.test(word)) return word;
  return /["$`\\!]/.test(word) ? `'${word.replaceAll("'", `'\\''`)}'` : `"${word}"`;
}

/** A command of ours as it is typed into a shell. */
export function commandText(words: readonly string[]): string {
  return `npm exec --no -- lockstep ${words.map(shellWord).join(' ')}`;
}
