/** Asks the other end of a connection to show that it knows the token, before it is told anything. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request as askHttp, type IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { oneLine, quoted } from '../shared/errors.ts';
import { headersBytes } from '../shared/wire/limits.ts';
import { isProof, nonceHeader, type VouchingKey, vouchingPath } from '../shared/wire/vouching.ts';
import { NotVouched } from './connection-errors.ts';

/** Longest answer that is read: a proof, or a line that says why there is none. */
const answerBytes = 1_024;

/**
 * Returns once the other end has shown, over this very connection, that a certificate of this fingerprint belongs to
 * somebody who knows the token. What is sent is a random number. The deadline is the connection's.
 * @throws NotVouched, or the error of the connection
 */
export async function vouchFor(
  secure: TLSSocket,
  fingerprint: string,
  host: string,
  key: VouchingKey,
): Promise<void> {
  const nonce = randomBytes(32).toString('hex');
  const request = askHttp({
    path: vouchingPath,
    headers: { host, [nonceHeader]: nonce },
    maxHeaderSize: headersBytes,
    createConnection: () => secure,
  });
  const stop = new AbortController();
  request.on('error', () => {}); // whoever waits below hears it; later there is nothing to lose
  // Without an error, too: what answers as if it were asked for an upgrade is cut in silence.
  request.once('close', () => stop.abort(new Error('the connection was cut')));
  request.end();
  const { signal } = stop;
  const [response]: IncomingMessage[] = await once(request, 'response', { signal }).catch(
    (error: unknown) => {
      throw signal.aborted ? signal.reason : error;
    },
  );
  const answer = await readAnswer(response);
  if (response.statusCode !== 200) {
    throw new NotVouched(
      `got HTTP ${response.statusCode} ${quoted(oneLine(answer))}, expected a coordinator that vouches for it; pass --fingerprint as the coordinator printed it`,
    );
  }
  if (isProof(answer.trimEnd(), key.proofOf(nonce, fingerprint))) return;
  throw new NotVouched(
    'who shows it does not know the token; is LOCKSTEP_TOKEN the same here and there? Otherwise somebody stands in between. Nothing was sent',
  );
}

async function readAnswer(response: IncomingMessage): Promise<string> {
  let text = '';
  response.setEncoding('latin1');
  for await (const piece of response) {
    text += piece;
    if (text.length > answerBytes) break;
  }
  return text.slice(0, answerBytes);
}
