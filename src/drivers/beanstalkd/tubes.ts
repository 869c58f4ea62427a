import { InvalidOptionError } from '../../queue/errors.js';
import { checkPrefixedName, queuesBehind } from '../../queue/name.js';

/** How the names of tubes begin, behind the prefix, that the driver keeps for itself. They are not shown as queues. */
const INTERNAL = 'haricot.internal/';

/** Queues as tubes: the name behind the installation's prefix. */
export class Tubes {
  readonly #prefix: string;

  /** @param prefix has been checked */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** @throws InvalidOptionError */
  tubeOf(queue: string): string {
    return checkPrefixedName(this.#prefix, queue);
  }

  queueOf(tube: string): string {
    return tube.slice(this.#prefix.length);
  }

  /** A tube of all installations' drivers. */
  internal(name: string): string {
    return INTERNAL + name;
  }

  /** The queues among `tubes`. */
  queuesIn(tubes: readonly string[]): string[] {
    return queuesBehind(this.#prefix, tubes).filter((queue) => !queue.startsWith(INTERNAL));
  }
}

/** beanstalkd's largest delay, pause and TTR, in seconds. */
const MAX_SECONDS = 4_294_967_295;

/**
 * Whole seconds, rounded up: beanstalkd's clock is no finer.
 * @throws InvalidOptionError
 */
export function toSeconds(ms: number): number {
  const seconds = Math.ceil(ms / 1000);
  if (seconds <= MAX_SECONDS) return seconds;
  throw new InvalidOptionError(`a duration must be at most ${MAX_SECONDS} s on beanstalkd, got ${seconds} s`);
}

/** The server's own ceiling for `-z`: a lower one here would let a large message block its queue for ever. */
export const MAX_BODY_BYTES = 1_073_741_824;
