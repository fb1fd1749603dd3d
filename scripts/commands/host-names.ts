/** What workers call a coordinator's machine, where it does not know itself. */
import { isIP } from 'node:net';
import { quoted, usageError } from '../../shared/errors.ts';
import { hostOf } from '../../shared/wire/address.ts';
import type { FlagValues } from './flag-values.ts';

/**
 * The names of `--host-name`, as a URL has them.
 * @throws LockstepError (USAGE)
 */
export function readHostNames(flags: FlagValues): string[] {
  const text = flags.text('host-name');
  if (text === undefined) return [];
  return text.split(',').map((name) => {
    const bare = name.trim();
    const url = `http://${isIP(bare) === 6 ? `[${bare}]` : bare}`;
    if (/^[^\s/?#@\\]+$/.test(bare) && URL.canParse(url) && new URL(url).port === '')
      return hostOf(new URL(url));
    throw usageError(
      `${flags.label('host-name')}: got ${quoted(name)}, expected a name or an address without a port, ` +
        'like trainer.example.org, or several with commas',
    );
  });
}
