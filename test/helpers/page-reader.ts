/** A process that reads what pages are told, as two of them would, at low priority: `node page-reader.js PORT`. */
import { constants, setPriority } from 'node:os';
import { setTimeout } from 'node:timers/promises';

setPriority(constants.priority.PRIORITY_LOW);
const url = `http://127.0.0.1:${process.argv[2]}/live`;
const mostTries = 400;
let messages = 0;

/** The stream, once there is a run; its first steps may be over by then. */
async function opened(): Promise<Response> {
  for (let tries = 0; ; tries++) {
    const response = await fetch(url).catch(() => null);
    if (response?.status === 200) return response;
    if (tries === mostTries) throw new Error(`${url}: nobody answers`);
    await setTimeout(25);
  }
}

async function read(): Promise<void> {
  const { body } = await opened();
  const decoder = new TextDecoder();
  let rest = '';
  for await (const piece of body ?? []) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) messages += Object.keys(JSON.parse(line)).length > 0 ? 1 : 0;
  }
}

await Promise.all([read(), read()]);
console.log(messages);
