/**
 * What a rank brings to the muster: JSON behind a header of 44 bytes that stays as it is in all versions, so that ranks of
 * different versions can tell each other so: `LOCKSTEP`, bytes of the JSON (u32, little-endian), their SHA-256.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { oneLine, quoted, reasonOf } from '../../shared/errors.ts';
import type { Recipe } from '../../shared/recipe/recipe.ts';
import { recipeBytes } from '../../shared/wire/limits.ts';

/** Raised by any change of the record that an older version could not read. */
export const recordFormat = 1;
/** Of a record, header and all. */
export const mostRecordBytes = 65_536;
const magic = Buffer.from('LOCKSTEP', 'latin1');
const headerBytes = magic.length + 4 + 32;

const count = z
  .int()
  .min(0)
  .max(2 ** 32 - 1);
/** Text for people, made harmless for their terminals. */
const text = (most: number) => z.string().max(most).overwrite(oneLine);
const hash = z.string().regex(/^[0-9a-f]{64}$/);

/** What can be read of a record of any version. */
const anyVersion = z.object({ format: z.int().min(1).max(1_000_000), lockstep: text(64) });

const attendee = z.object({
  ...anyVersion.shape,
  /** Of what ranks send each other, and of the bits. */
  protocol: count,
  arithmetic: count,
  host: text(256),
  pid: count,
  node: text(64),
  platform: text(64),
  threads: count,
  kernels: text(64),
  /** The result of the known computation with its kernels; null where it has none. */
  answer: hash.nullable(),
  /** Canonical JSON, null where it has none. */
  recipe: z.string().max(recipeBytes).refine(isCanonicalRecipe, 'expected the JSON of a recipe').nullable(),
  /** What else must be the same on all ranks, by the name that a user knows it by: `--batch-norm`, `the checkpoint`. */
  same: z.record(z.string().max(64).overwrite(oneLine), text(256)).refine(hasFew, 'expected at most 32'),
  /** Why it cannot take part. */
  error: z.object({ code: text(32), message: text(4_096) }).nullable(),
});

export type Attendee = z.infer<typeof attendee>;

/** What came from a rank: its record, that of a version which ours cannot read, or something else and why it is that. */
export type Arrival =
  | { readonly kind: 'attendee'; readonly attendee: Attendee }
  | { readonly kind: 'newer'; readonly format: number; readonly lockstep: string }
  | { readonly kind: 'garbage'; readonly reason: string };

/** @throws RangeError where it is too long, which is a bug */
export function encodeAttendee(record: Attendee): Uint8Array {
  const json = Buffer.from(JSON.stringify(attendee.parse(record)), 'utf8');
  const header = Buffer.alloc(headerBytes);
  magic.copy(header);
  header.writeUInt32LE(json.length, magic.length);
  sha256Of(json).copy(header, magic.length + 4);
  const bytes = Buffer.concat([header, json]);
  if (bytes.length > mostRecordBytes) throw new RangeError(`a record of ${bytes.length} bytes`);
  return bytes;
}

/** Where a record ends that something else comes behind; the end of the bytes where none begins there. */
export function recordEnd(bytes: Uint8Array): number {
  if (bytes.length < headerBytes) return bytes.length;
  const length = Buffer.from(bytes.buffer, bytes.byteOffset, headerBytes).readUInt32LE(magic.length);
  return Math.min(headerBytes + length, bytes.length);
}

/** Reads what another rank brought. It never throws: whatever comes is something to tell a user about. */
export function decodeAttendee(bytes: Uint8Array): Arrival {
  const garbage = (reason: string): Arrival => ({ kind: 'garbage', reason });
  if (bytes.length > mostRecordBytes) {
    return garbage(`${bytes.length} bytes, expected at most ${mostRecordBytes}`);
  }
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (buffer.length < headerBytes || !buffer.subarray(0, magic.length).equals(magic)) {
    return garbage(`${bytes.length} bytes that do not begin as a record of Lockstep does`);
  }
  const json = buffer.subarray(headerBytes);
  const length = buffer.readUInt32LE(magic.length);
  if (length !== json.length) return garbage(`${json.length} bytes behind a header that says ${length}`);
  if (!sha256Of(json).equals(buffer.subarray(magic.length + 4, headerBytes))) {
    return garbage('its bytes do not have the SHA-256 that its header says');
  }
  let value: unknown;
  try {
    value = JSON.parse(json.toString('utf8'));
  } catch (error) {
    return garbage(reasonOf(error));
  }
  const known = anyVersion.safeParse(value);
  if (!known.success) return garbage(issueOf(known.error));
  if (known.data.format > recordFormat) return { kind: 'newer', ...known.data };
  const record = attendee.safeParse(value);
  return record.success ? { kind: 'attendee', attendee: record.data } : garbage(issueOf(record.error));
}

/** A recipe that another rank brought, for its fields to be compared: which it has, and of what type, is not known. */
export function fieldsOf(recipe: string): Recipe {
  // Without a prototype, so that `constructor` is a field like any other.
  return Object.assign(Object.create(null), JSON.parse(recipe));
}

/** True for a flat object whose JSON is canonical. Whether it can be trained is not asked: it is compared with our own. */
function isCanonicalRecipe(json: string): boolean {
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
    return Object.values(value).every((one) => one === null || typeof one !== 'object');
  } catch {
    return false;
  }
}

function hasFew(record: object): boolean {
  return Object.keys(record).length <= 32;
}

function sha256Of(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}

function issueOf({ issues: [issue] }: z.ZodError): string {
  return `${quoted(issue.path.join('.'))}: ${oneLine(issue.message).slice(0, 120)}`;
}
