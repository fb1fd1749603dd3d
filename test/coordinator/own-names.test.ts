import { hostname } from 'node:os';
import t from 'tap';
import { ownNames } from '../../coordinator/own-names.ts';

t.test('the full names of this machine are known where its hosts file has them', (t) => {
  const hosts = [
    '127.0.0.1 localhost',
    '127.0.1.1\tTrainer.Example.org trainer # trainer.in.a.comment',
    '10.0.0.7 mara.example.org mara trainer2.example.org',
    'fd00::7 trainer.internal trainer.example.org',
    '',
  ].join('\r\n');
  t.same(ownNames('Trainer', hosts), ['trainer', 'trainer.example.org', 'trainer.internal']);
  t.same(ownNames('otto', hosts), ['otto'], 'names of other machines are not its own');
  t.equal(ownNames()[0], hostname().toLowerCase());
  t.end();
});
