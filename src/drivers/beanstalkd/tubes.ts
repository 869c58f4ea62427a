import { InvalidOptionError } from '../../queue/errors.js';
import { checkQueueName } from '../../queue/name.js';

const MAX_TUBE_NAME = 200;

/** Queues as tubes: the name behind the installation's prefix. */
export class Tubes {
  readonly #prefix: string;

  /** @throws InvalidOptionError */
  constructor(prefix: string) {
    if (!/^([A-Za-z0-9+/;.$_()][A-Za-z0-9\-+/;.$_()]*)?$/.test(prefix) || prefix.length >= MAX_TUBE_NAME) {
      throw new InvalidOptionError(
        `a prefix is less than ${MAX_TUBE_NAME} of A-Z a-z 0-9 - + / ; . $ _ ( ) and does not begin with "-", got ${JSON.stringify(prefix)}`,
      );
    }
    this.#prefix = prefix;
  }

  /** @throws InvalidOptionError */
  tubeOf(queue: string): string {
    const tube = this.#prefix + checkQueueName(queue);
    if (tube.length <= MAX_TUBE_NAME) return tube;
    throw new InvalidOptionError(`the tube "${tube}" of queue "${queue}" is longer than ${MAX_TUBE_NAME} bytes`);
  }

  queueOf(tube: string): string {
    return tube.slice(this.#prefix.length);
  }

  /** The queues among `tubes`. */
  queuesIn(tubes: readonly string[]): string[] {
    return tubes
      .filter((tube) => tube.startsWith(this.#prefix) && tube !== this.#prefix)
      .map((tube) => this.queueOf(tube));
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
  throw new InvalidOptionError(`beanstalkd's longest time is ${MAX_SECONDS} s, got ${seconds} s`);
}

/** The server's own ceiling for `-z`: a lower one here would let a large message block its queue for ever. */
export const MAX_BODY_BYTES = 1_073_741_824;
