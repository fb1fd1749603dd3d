/** ONNX Runtime as a judge, where it was installed: 300 MB that the package does not ask for. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

export const runtimePackage = 'onnxruntime-node';
/** With what it was seen to work. */
export const runtimeVersion = '1.30.0';

interface Tensor {
  readonly data: ArrayLike<number | bigint>;
  readonly dims: readonly number[];
}

/** What is used of it. */
export interface OnnxRuntime {
  readonly InferenceSession: {
    create(model: Uint8Array): Promise<{
      readonly inputNames: readonly string[];
      readonly outputNames: readonly string[];
      run(feeds: Readonly<Record<string, Tensor>>): Promise<Readonly<Record<string, Tensor>>>;
    }>;
  };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => Tensor;
}

/** The folder of its own, below that of the repository; git does not see it. */
export function runtimeFolder(): string {
  for (let folder = import.meta.dirname; folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, 'package-lock.json'))) return join(folder, '.bench', 'onnx');
  }
  throw new Error(`no package-lock.json above ${import.meta.dirname}`);
}

/** The runtime and its version, or why it is not here. */
export function findRuntime(
  folder = runtimeFolder(),
):
  | { readonly runtime: OnnxRuntime; readonly version: string }
  | { readonly runtime: null; readonly reason: string } {
  try {
    const require = createRequire(join(folder, 'package.json'));
    const { version } = JSON.parse(
      readFileSync(join(folder, 'node_modules', runtimePackage, 'package.json'), 'utf8'),
    ) as { version: string };
    return { runtime: require(runtimePackage) as OnnxRuntime, version };
  } catch (error) {
    return { runtime: null, reason: (error instanceof Error ? error.message : String(error)).split('\n')[0] };
  }
}
