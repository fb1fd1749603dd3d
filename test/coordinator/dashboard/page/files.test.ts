/** The files of the page, as they are served. */
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { readServed, servedFiles } from '../../../helpers/fake-dashboard.ts';
import { readSources } from '../../../helpers/sources.ts';

const mostBytes = 150_000;

t.test('all files together are below 150 KB compressed', (t) => {
  const sizes = [...servedFiles.values()].map(([name]) => [name, gzipSync(readServed(name)).length] as const);
  for (const [name, size] of sizes) t.comment(`${name}: ${size} bytes compressed`);
  const sum = sizes.reduce((sum, [, size]) => sum + size, 0);
  t.ok(sum < mostBytes, `${sum} bytes compressed, at most ${mostBytes}`);
  t.ok(
    sizes.every(([, size]) => size > 100),
    'none is empty',
  );
  t.end();
});

t.test('nothing in them becomes markup, or code, but what is written in them', (t) => {
  const forbidden = /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc/;
  const sources = readSources().filter(({ path }) => path.startsWith('coordinator/dashboard/page/'));
  t.ok(sources.length > 30, `${sources.length} files`);
  t.same(
    sources.filter(({ text }) => forbidden.test(text)).map(({ path }) => path),
    [],
  );
  for (const name of ['page.js', 'draw.js']) t.notMatch(readServed(name).toString(), forbidden);
  t.match('a.innerHTML = b', forbidden, 'it would be found');
  t.end();
});

t.test('they ask nobody else, and have no script or style inside', (t) => {
  for (const name of ['index.html', 'draw.html']) {
    const text = readServed(name).toString();
    t.notMatch(text, /<script(?![^>]*\ssrc="\/)|<style|\sstyle=|\son\w+=|javascript:/);
    t.notMatch(text, /(?:src|href)="(?!\/)/);
  }
  t.notMatch(readServed('page.css').toString(), /url\((?!"?data:)|@import/);
  t.end();
});
