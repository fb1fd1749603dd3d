/** The files of the page, from a fixed table: no path of a file ever comes from a URL. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { codeOf } from '../durable-file.ts';
import { answerLine, commonHeaders, computingPolicy } from './answers.ts';
import { writePieces } from './pieces.ts';

interface PageFile {
  readonly name: string;
  readonly type: string;
  /** True for the page that compiles WebAssembly. */
  readonly isComputing?: boolean;
}

const html = 'text/html; charset=utf-8';
const script = 'text/javascript; charset=utf-8';

/** By path of the URL. */
export const pageFiles: ReadonlyMap<string, PageFile> = new Map([
  ['/', { name: 'index.html', type: html }],
  ['/draw', { name: 'draw.html', type: html, isComputing: true }],
  ['/page.js', { name: 'page.js', type: script }],
  ['/draw.js', { name: 'draw.js', type: script }],
  ['/page.css', { name: 'page.css', type: 'text/css; charset=utf-8' }],
  ['/kernels.wasm', { name: 'kernels.wasm', type: 'application/wasm' }],
  ['/icon.svg', { name: 'icon.svg', type: 'image/svg+xml' }],
]);

/** Beside this file, where the build puts them. */
const ownFolder = new URL('./page/', import.meta.url);

interface Content {
  readonly bytes: Uint8Array;
  readonly tag: string;
}

export class PageFiles {
  readonly #folder: URL;
  /** What was read already, by name. */
  readonly #contents = new Map<string, Content>();

  /** @param folder ends in a slash */
  constructor(folder: URL = ownFolder) {
    this.#folder = folder;
  }

  answer(request: IncomingMessage, response: ServerResponse, { name, type, isComputing }: PageFile): void {
    const content = this.#contents.get(name) ?? this.#read(name);
    if (content === null) {
      answerLine(response, 404, `${name}: this installation has no such file; npm run build makes it`);
      return;
    }
    this.#contents.set(name, content);
    const { bytes, tag } = content;
    const headers = {
      ...commonHeaders,
      ...(isComputing === true && { 'Content-Security-Policy': computingPolicy }),
      ETag: tag,
      'Cache-Control': 'no-cache',
    };
    if (request.headers['if-none-match'] === tag) {
      response.writeHead(304, headers);
      response.end();
      return;
    }
    response.writeHead(200, { ...headers, 'Content-Type': type, 'Content-Length': bytes.length });
    writePieces(response, [bytes], () => response.end());
  }

  #read(name: string): Content | null {
    try {
      const bytes = readFileSync(new URL(name, this.#folder));
      const tag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
      return { bytes, tag };
    } catch (error) {
      if (codeOf(error) === undefined) throw error;
      return null;
    }
  }
}
