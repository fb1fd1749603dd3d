/** What workers call a coordinator's machine, where it does not know itself. */
import { quoted, usageError } from '../../shared/errors.ts';
import { parseHost } from '../../shared/wire/address.ts';
import type { FlagValues } from './flag-values.ts';

/**
 * The names of `--host-name`, as a URL has them.
 * @throws LockstepError (USAGE)
 */
export function readHostNames(flags: FlagValues): string[] {
  const text = flags.text('host-name');
  if (text === undefined) return [];
  return text.split(',').map((name) => {
    const host = parseHost(name.trim());
    if (host !== null) return host;
    throw usageError(
      `${flags.label('host-name')}: got ${quoted(name)}, expected a name or an address without a port, ` +
        'like trainer.example.org, or several with commas',
    );
  });
}
