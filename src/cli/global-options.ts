import { InvalidOptionError } from '../queue/errors.js';

/** The options of every command. */
export interface GlobalOptions {
  readonly url?: string;
  readonly json?: boolean;
}

/** The embedded engine: a file in the folder where the command runs. */
export const DEFAULT_URL = 'sqlite:./haricot.db';

/** The engine that `--url` or HARICOT_URL names, or else the default. */
export function urlOf({ url = process.env['HARICOT_URL'] || DEFAULT_URL }: GlobalOptions): string {
  if (url !== '') return url;
  // A variable that is not set, most likely: the default would surprise.
  throw new InvalidOptionError('--url must name an engine, such as beanstalkd://127.0.0.1:11300, got nothing');
}
