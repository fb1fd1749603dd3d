import t from 'tap';
import { travelled } from '../../coordinator/travelled.ts';
import { Traffic } from '../../shared/wire/traffic.ts';

const traffic = new Traffic();
traffic.countReceived('partial', [64, 1000], true);
traffic.countReceived('control', [100], true);
traffic.countReceived('evaluation', [64, 50], true);
traffic.countSent('total', [64, 1000], false);
traffic.countSent('control', [50], false);
traffic.countSent('replica', [64, 2000], false);
traffic.countSent('data', [64, 3000], false);

t.test('all bytes, and those of steps: partials, totals and control messages', (t) => {
  t.same(travelled(traffic, { steps: 2, gradients: 3, gradientBytes: 300 }), {
    bytesUp: 1078 + 106 + 126,
    bytesDown: 1070 + 52 + 2070 + 3070,
    steps: 2,
    gradients: 3,
    gradientBytes: 300,
    bytesUpPerStep: (1078 + 106) / 2,
    bytesDownPerStep: (1070 + 52) / 2,
  });
  t.end();
});

t.test('before the first step there are none a step', (t) => {
  const found = travelled(traffic, { steps: 0, gradients: 0, gradientBytes: 300 });
  t.match(found, { bytesUp: 1310, bytesUpPerStep: 0, bytesDownPerStep: 0 });
  t.end();
});
