/** What a screen reader is to say, politely. */
import { byId, setText } from './elements.ts';

export function announce(text: string): void {
  setText(byId('announcement'), text);
}
