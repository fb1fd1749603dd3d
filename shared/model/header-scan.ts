/**
 * A look at a safetensors header before it is parsed: JSON of a megabyte may become objects of seventy. What passes has
 * at most the nesting and the number of values that a list of tensors with some texts has, so it stays below twenty.
 */

/** A table, in it a table for each tensor, in that two lists. */
const deepest = 3;
/** `"":{"dtype":"F32","shape":[],"data_offsets":[0,0]}` and a comma have more bytes than this. */
const fewestBytes = 48;
/** Texts that a file may have beside its tensors. */
const mostTexts = 1000;
/** Numbers of a tensor's shape and offsets. */
const mostNumbers = 10;

const quote = 0x22;
const comma = 0x2c;
const backslash = 0x5c;
const openings = new Set([0x5b, 0x7b]);
const closings = new Set([0x5d, 0x7d]);

/** True if a header can be a list of tensors; whether it is one is for the parser to say. */
export function isBounded(header: Uint8Array): boolean {
  /** Commas by the depth that they are at. */
  const commas = new Array<number>(deepest + 1).fill(0);
  let opened = 0;
  let depth = 0;
  for (let i = 0; i < header.length; i++) {
    const byte = header[i];
    if (byte === quote) {
      i = endOfText(header, i);
    } else if (openings.has(byte)) {
      opened++;
      if (++depth > deepest) return false;
    } else if (closings.has(byte)) {
      if (--depth < 0) return false;
    } else if (byte === comma) commas[depth]++;
  }
  const entries = commas[1] + 1;
  return (
    commas[1] * fewestBytes <= header.length &&
    opened <= 3 * entries + 1 &&
    commas[2] <= 2 * entries + mostTexts &&
    commas[3] <= mostNumbers * entries
  );
}

/** Where the quote stands that ends the text that begins here, or the end. */
function endOfText(header: Uint8Array, begin: number): number {
  for (let i = begin + 1; i < header.length; i++) {
    if (header[i] === quote) return i;
    if (header[i] === backslash) i++;
  }
  return header.length;
}
