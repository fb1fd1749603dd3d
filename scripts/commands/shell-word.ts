/** One word of a shell's command line, in quotes where it needs them. */
export function shellWord(word: string): string {
  if (/^[\w./=,:@+-]+$/.test(word)) return word;
  return /["$`\\!]/.test(word) ? `'${word.replaceAll("'", `'\\''`)}'` : `"${word}"`;
}
