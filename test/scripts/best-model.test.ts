/** The model of the best epoch: what could not be written is tried again, what is lost is said, what is wrong is taken back. */
import { existsSync, mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { RunState } from '../../coordinator/run-state.ts';
import { BestModel } from '../../scripts/best-model.ts';
import { loadModel } from '../../scripts/model.ts';
import { weightsDigest } from '../../shared/model/snapshot.ts';
import { sampleRun } from '../helpers/run-states.ts';

const { recipe } = sampleRun();

/** A run after so many epochs of 100 steps, whose test losses are these. */
function after(...losses: readonly number[]): RunState {
  const { state } = sampleRun({ seed: losses.length, epoch: losses.length, step: 0 });
  return { ...state, epochs: state.epochs.map((report, i) => ({ ...report, testLoss: losses[i] })) };
}

function opened(t: Test, from: RunState | null = null, folder = t.testdir()) {
  const path = join(folder, 'best.safetensors');
  const lines: string[] = [];
  const alarm = ({ message }: Error) => void lines.push(message);
  return { path, lines, best: new BestModel({ path, run: { recipe, from }, monitor: 'testLoss', alarm }) };
}

t.test('what cannot be written is tried again, also when no better epoch comes', async (t) => {
  const { path, lines, best } = opened(t);
  mkdirSync(path);
  const first = after(0.5);
  best.offer(first);
  await best.write();
  t.match(lines, [/^cannot write ".*best\.safetensors" \(.*; training goes on .* with the next checkpoint$/]);
  t.equal(best.isLost, true);
  best.offer(after(0.5, 0.6));
  await best.write(true);
  t.match(lines[1], /; the run ends without it; make room or mend the folder$/);
  rmdirSync(path);
  await best.write();
  t.equal(best.isLost, false);
  t.equal(loadModel(path).weightsDigest, weightsDigest(first.snapshot));
  t.equal(lines.length, 2);
});

t.test('a run that goes on says that its best model is missing, unless it has it still', async (t) => {
  const lost = opened(t, after(0.5, 0.6));
  t.match(lost.lines, [/best\.safetensors" is missing: the model of epoch 1, the best so far, is lost; /]);
  await lost.best.write();
  t.notOk(existsSync(lost.path));
  const last = after(0.5, 0.4);
  const there = opened(t, last, t.testdir());
  await there.best.write();
  t.strictSame(there.lines, []);
  t.equal(loadModel(there.path).weightsDigest, weightsDigest(last.snapshot));
});

t.test('the model of an epoch that is discarded is taken back, an earlier one stays', async (t) => {
  const { path, lines, best } = opened(t);
  best.offer(after(0.5));
  await best.write();
  await best.discard(101);
  t.ok(existsSync(path), 'that of step 100');
  best.offer(after(0.5, 0.4));
  await best.write();
  await best.discard(200);
  t.notOk(existsSync(path), 'that of step 200');
  best.offer(after(0.5, 0.4, 0.3));
  await best.discard(300);
  await best.write();
  t.notOk(existsSync(path), 'one that was not written yet');
  t.strictSame(lines, []);
});
