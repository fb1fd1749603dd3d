/** What every answer has in common: headers that keep a browser from doing more than it should, and one line of text. */
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { writePieces } from './pieces.ts';

function contentSecurityPolicy(scripts: string): string {
  return [
    "default-src 'none'",
    `script-src ${scripts}`,
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

const strictPolicy = contentSecurityPolicy("'self'");
/** For a page that compiles WebAssembly. */
export const computingPolicy = contentSecurityPolicy("'self' 'wasm-unsafe-eval'");

export const commonHeaders = {
  'Content-Security-Policy': strictPolicy,
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
} as const;

/** Answers with data, which is another one the next time. */
export function answerData(
  response: ServerResponse,
  type: string,
  body: string | Uint8Array,
  headers: OutgoingHttpHeaders = {},
): void {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  response.writeHead(200, {
    ...commonHeaders,
    'Content-Type': type,
    'Content-Length': bytes.length,
    'Cache-Control': 'no-store',
    ...headers,
  });
  writePieces(response, [bytes], () => response.end());
}

export function answerLine(
  response: ServerResponse,
  status: number,
  line: string,
  headers: OutgoingHttpHeaders = {},
): void {
  const body = Buffer.from(`${line}\n`);
  response.writeHead(status, {
    ...commonHeaders,
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': body.length,
    'Cache-Control': 'no-store',
    ...headers,
  });
  response.end(body);
}

/** It may be there soon. */
export function answerLater(response: ServerResponse, line: string): void {
  answerLine(response, 503, line, { 'Retry-After': '1' });
}
