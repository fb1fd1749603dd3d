/** The bytes of hex digits; spaces and what follows `#` in a line are for the reader. */
export function fromHex(text: string): Uint8Array {
  const digits = text.replace(/#.*$/gm, '').replace(/\s+/g, '');
  if (!/^([0-9a-f]{2})*$/.test(digits)) throw new Error(`no hex digits: ${digits}`);
  return Uint8Array.from(Buffer.from(digits, 'hex'));
}

/** Lower-case hex digits of bytes. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
