/** Whether ranks can train together, from what each brought to the muster. All of it is pure, so all ranks say the same. */
import { type ErrorCode, isErrorCode, quoted } from '../../shared/errors.ts';
import { differingFields, type Recipe } from '../../shared/recipe/recipe.ts';
import { type Arrival, type Attendee, fieldsOf } from './attendee.ts';
import { listRanks } from './rank-list.ts';

/** Of groups of ranks, and of fields, that differ: as many are shown. */
const mostShown = 4;
const install = 'install the same Lockstep for all ranks';

/** Why the ranks cannot train together, in one line; null if they can. */
export function verdict(arrivals: readonly Arrival[]): string | null {
  const stranger = unreadable(arrivals) ?? mixedVersions(arrivals);
  if (stranger !== null) return stranger;
  const attendees = arrivals.flatMap((one) => (one.kind === 'attendee' ? [one.attendee] : []));
  return (
    ownErrors(attendees) ??
    differing(attendees, 'the version of the arithmetic', install, ({ arithmetic }) => `${arithmetic}`) ??
    differing(attendees, 'the version of what they exchange', install, ({ protocol }) => `${protocol}`) ??
    differingAnswers(attendees) ??
    differingRecipes(attendees) ??
    differingFacts(attendees)
  );
}

/** The code of an error with the verdict: that of the first rank with an error of its own, if this is what it is about. */
export function verdictCode(arrivals: readonly Arrival[]): ErrorCode {
  if (unreadable(arrivals) !== null || mixedVersions(arrivals) !== null) return 'MPI';
  const codes = arrivals.flatMap((one) => (one.kind === 'attendee' ? [one.attendee.error?.code ?? ''] : []));
  return codes.find(isErrorCode) ?? 'MPI';
}

function unreadable(arrivals: readonly Arrival[]): string | null {
  for (const [rank, one] of arrivals.entries()) {
    if (one.kind !== 'garbage') continue;
    return `rank ${rank} brought no record that can be read (${one.reason}); start all ranks with the same command, and ${install}`;
  }
  return null;
}

function mixedVersions(arrivals: readonly Arrival[]): string | null {
  const groups = groupRanks(arrivals, (one) => {
    if (one.kind === 'attendee') return one.attendee.lockstep;
    return one.kind === 'newer' ? `${one.lockstep} (records of format ${one.format})` : '';
  });
  if (groups.length < 2 && arrivals.every(({ kind }) => kind === 'attendee')) return null;
  const hosts = arrivals.map((one) => (one.kind === 'attendee' ? one.attendee.host : null));
  return `mixed versions: ${shown(groups, hosts, ['run lockstep', 'runs lockstep'])}; install the same version for all ranks`;
}

/** What all ranks came to in the same words is said as one process would say it. */
function ownErrors(attendees: readonly Attendee[]): string | null {
  const groups = groupRanks(attendees, ({ error }) => (error === null ? '' : error.message || error.code));
  const failed = groups.filter(({ value }) => value !== '');
  if (failed.length === 0) return null;
  if (groups.length === 1) return failed[0].value;
  const lines = failed.slice(0, mostShown).map(({ value, ranks }) => {
    const where = ranks.length === 1 ? ` on host ${attendees[ranks[0]].host}` : '';
    return `${listRanks(ranks)}${where}: ${value}`;
  });
  return withRest(lines, failed.length, 'errors').join('; ');
}

/** Kernels may differ, as long as they give the same bits. */
function differingAnswers(attendees: readonly Attendee[]): string | null {
  const groups = groupRanks(attendees, ({ answer }) => answer ?? '').map(({ value, ranks }) => ({
    ranks,
    value: value === '' ? 'none' : `${value.slice(0, 12)}… (${attendees[ranks[0]].kernels})`,
  }));
  const todo = 'start those that are wrong with other --kernels';
  return differ(attendees, 'the result of the known computation', todo, groups);
}

function differingRecipes(attendees: readonly Attendee[]): string | null {
  const groups = groupRanks(attendees, ({ recipe }) => recipe ?? '');
  if (groups.length < 2) return null;
  const hosts = attendees.map(({ host }) => host);
  const [first, second] = groups;
  const todo = 'start all ranks with the same recipe, flags and data';
  for (const { value, ranks } of [first, second]) {
    if (value !== '') continue;
    return `${named(ranks, hosts)} ${ranks.length === 1 ? 'has' : 'have'} no recipe; ${todo}`;
  }
  const [a, b] = [fieldsOf(first.value), fieldsOf(second.value)];
  const fields = differingFields(a, b);
  const lines = fields
    .slice(0, mostShown)
    .map((field) => `${bare(field)} ${fieldText(a, field)} against ${fieldText(b, field)}`);
  const list = withRest(lines, fields.length, 'fields').join(', ');
  return `recipes differ, ${named(first.ranks, hosts)} against ${named(second.ranks, hosts)}: ${list}; ${todo}`;
}

function fieldText(recipe: Recipe, field: keyof Recipe): string {
  return field in recipe ? bare(String(recipe[field])) : 'nothing';
}

function differingFacts(attendees: readonly Attendee[]): string | null {
  const names = new Set(attendees.flatMap(({ same }) => Object.keys(same)));
  for (const name of names) {
    const line = differing(attendees, bare(name), 'it must be the same on all ranks', ({ same }) =>
      Object.hasOwn(same, name) ? same[name] : 'nothing',
    );
    if (line !== null) return line;
  }
  return null;
}

/** In what they differ, if they do. */
function differing(
  attendees: readonly Attendee[],
  subject: string,
  todo: string,
  show: (attendee: Attendee) => string,
): string | null {
  return differ(attendees, subject, todo, groupRanks(attendees, show));
}

function differ(
  attendees: readonly Attendee[],
  subject: string,
  todo: string,
  groups: readonly Group[],
): string | null {
  if (groups.length < 2) return null;
  const hosts = attendees.map(({ host }) => host);
  return `ranks differ in ${subject}: ${shown(groups, hosts, ['have', 'has'])}; ${todo}`;
}

interface Group {
  readonly value: string;
  readonly ranks: readonly number[];
}

/** The ranks of each value, in the order of their first. */
function groupRanks<T>(all: readonly T[], show: (one: T) => string): Group[] {
  const groups = new Map<string, number[]>();
  for (const [rank, one] of all.entries()) {
    const value = show(one);
    const ranks = groups.get(value);
    if (ranks === undefined) groups.set(value, [rank]);
    else ranks.push(rank);
  }
  return [...groups].map(([value, ranks]) => ({ value, ranks }));
}

/** `ranks 0–2 have 1, rank 3 (host b) 2`. @param verbs for several ranks, for one */
function shown(
  groups: readonly Group[],
  hosts: readonly (string | null)[],
  verbs: readonly [string, string],
): string {
  const texts = groups.slice(0, mostShown).map(({ value, ranks }, i) => {
    const verb = i === 0 ? `${verbs[ranks.length === 1 ? 1 : 0]} ` : '';
    return `${named(ranks, hosts)} ${verb}${value}`;
  });
  return withRest(texts, groups.length, 'groups of ranks').join(', ');
}

function withRest(texts: readonly string[], count: number, what: string): string[] {
  return count > texts.length ? [...texts, `and ${count - texts.length} more ${what}`] : [...texts];
}

function named(ranks: readonly number[], hosts: readonly (string | null)[]): string {
  const host = ranks.length === 1 ? hosts[ranks[0]] : null;
  return host === null ? listRanks(ranks) : `${listRanks(ranks)} (host ${host})`;
}

/** Text from another rank within a line, not longer than is bearable. */
function bare(text: string): string {
  return quoted(text).slice(1, -1);
}
