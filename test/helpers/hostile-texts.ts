/** Names that somebody might give a worker to make a page do something. */
const kinds: readonly ((i: number) => string)[] = [
  (i) => `<script>document.title='${i}'</script>`,
  (i) => `<img src=x onerror="document.title='${i}'">`,
  (i) => `"><svg onload=document.title='${i}'>`,
  (i) => `javascript:document.title='${i}'`,
  (i) => `</th></tr></table><h1>${i}</h1>`,
  (i) => `&lt;b&gt;${i}&amp;`,
  (i) => `<iframe srcdoc="<b>${i}</b>"></iframe>`,
  (i) => `<a href="https://example.invalid/${i}">free</a>`,
  (i) => `<style>*{display:none}</style>${i}`,
  (i) => `\${7*7}{{7*7}}<%= ${i} %>`,
  (i) => `__proto__ constructor ${i}`,
  (i) => `\u202egnp.${i}\u202c`,
  (i) => `a\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307${i}`,
  (i) => `${'W'.repeat(120)}${i}`,
  (i) => `\u0000\u0007\u001b[31m${i}`,
  (i) => `' onmouseover='document.title=${i}`,
  (i) => `<noscript><p title="</noscript><img src=x onerror=document.title=${i}>">`,
  (i) => `<!-- ${i} --><![CDATA[ x ]]>`,
  (i) => `url(https://example.invalid/${i})`,
  (i) => `😀🏴‍☠️\ud800 ${i}`,
];

/** So many, none twice. */
export function hostileTexts(count: number): string[] {
  return Array.from({ length: count }, (_, i) => kinds[i % kinds.length](i));
}
