import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Identity, ownIdentity } from '../../coordinator/certificate.ts';

/** A certificate of its own for each call. */
export async function newIdentity(): Promise<Identity> {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-test-'));
  try {
    return await ownIdentity(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
