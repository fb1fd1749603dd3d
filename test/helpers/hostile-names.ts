/** A hundred names that workers had better not have. */
import { randomNumbers } from './reference/random-data.ts';

const fixed: readonly string[] = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "'; DROP TABLE workers; --",
  '</textarea><svg/onload=alert(1)>',
  '{{constructor.constructor("alert(1)")()}}',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is meant as it stands
  '${process.exit(1)}',
  'javascript:alert(1)',
  '&lt;b&gt;&amp;#60;',
  '"quoted" \\back\\slash\\',
  '\\"',
  '\\n',
  'a"} 1\nlockstep_steps_total 99',
  'line\nbreak\r\nand\rothers\u2028and\u2029more\u0085',
  '\u001b[2J\u001b[31mred\u0007',
  '\u009b2J',
  '\u202egnirts\u202c',
  '\u2066hidden\u2069',
  '\u200b\u200d\ufeff',
  '\0null\0',
  '\ud800',
  'half \udc00 of a character',
  '😀👨‍👩‍👧‍👦🏳️‍🌈',
  'ｆｕｌｌ　ｗｉｄｔｈ',
  'مرحبا بالعالم',
  'Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'others',
  'thread 0',
  'this process',
  'null',
  'undefined',
  'NaN',
  ' ',
  '',
  '%s%n%x',
  '../../etc/passwd',
  'x'.repeat(10_000),
  '😀'.repeat(5_000),
];

const letters = [...'ab<>&"\'`\\/{}$\0\n\r\t\u001b\u007f\u0085\u200e\u202e\u2028\ufeff\ud800\udfff😀é中'];

/** The same hundred at every call. */
export function hostileNames(): string[] {
  const random = randomNumbers(1);
  const letter = () => letters[Math.floor(((random() + 1) / 2) * letters.length)];
  const drawn = Array.from({ length: 100 - fixed.length }, (_, i) =>
    Array.from({ length: 1 + (i % 30) }, letter).join(''),
  );
  return [...fixed, ...drawn];
}
