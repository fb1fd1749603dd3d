/** `npm run onnx`: installs ONNX Runtime (300 MB) into a folder of its own and has it judge our files. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { findRuntime, runtimeFolder, runtimePackage, runtimeVersion } from './helpers/onnxruntime.ts';

const deadlineMs = 600_000;

if (findRuntime().runtime === null) {
  const folder = runtimeFolder();
  mkdirSync(folder, { recursive: true });
  console.log(`Installing ${runtimePackage} ${runtimeVersion} into ${folder}`);
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', folder];
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const { status } = spawnSync(npm, [...args, `${runtimePackage}@${runtimeVersion}`], {
    stdio: 'inherit',
    timeout: deadlineMs,
    shell: process.platform === 'win32',
  });
  if (status !== 0) console.log('It could not be installed: NOTHING was judged.');
}
if (findRuntime().runtime !== null) {
  const test = fileURLToPath(new URL('./integration/onnxruntime.test.js', import.meta.url));
  process.exitCode =
    spawnSync(process.execPath, [test], { stdio: 'inherit', timeout: deadlineMs }).status ?? 1;
}
