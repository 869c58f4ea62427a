import { createHash } from 'node:crypto';
import { InvalidOptionError } from '../../queue/errors.js';
import { checkPrefixedName, queuesBehind } from '../../queue/name.js';
import { preview } from '../../shared/text.js';

/** How the names of tubes begin, behind the prefix, that the driver keeps for itself. They are no queues. */
const INTERNAL = 'haricot.internal/';
const JOURNAL = 'haricot.failures/';
const JOURNAL_LOCK = 'haricot.failures.lock/';

const MAX_TUBE_NAME = 200;

/** Queues as tubes: the name behind the installation's prefix. */
export class Tubes {
  readonly #prefix: string;
  /** What was asked for last: most put into the same queue again and again. */
  #lastQueue: string | undefined;
  #lastTube = '';

  /** @param prefix has been checked */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** @throws InvalidOptionError */
  tubeOf(queue: string): string {
    if (queue === this.#lastQueue) return this.#lastTube;
    const tube = checkPrefixedName(this.#prefix, queue);
    if (!isInternal(queue)) {
      this.#lastQueue = queue;
      this.#lastTube = tube;
      return tube;
    }
    throw new InvalidOptionError(`a queue name must not begin as the engine's own tubes do, got ${preview(queue)}`);
  }

  queueOf(tube: string): string {
    return tube.slice(this.#prefix.length);
  }

  /** A tube of all installations' drivers. */
  internal(name: string): string {
    return INTERNAL + name;
  }

  /** The tubes of a queue's journal: of its records, and of the lock that one who reads them holds. */
  journalOf(queue: string): { readonly records: string; readonly lock: string } {
    return { records: this.#derived(JOURNAL, queue), lock: this.#derived(JOURNAL_LOCK, queue) };
  }

  /** A name that would be too long ends with its digest. */
  #derived(kind: string, queue: string): string {
    const name = this.#prefix + kind + queue;
    if (name.length <= MAX_TUBE_NAME) return name;
    const digest = createHash('sha256').update(queue).digest('hex').slice(0, 32);
    return `${name.slice(0, MAX_TUBE_NAME - digest.length - 1)}/${digest}`;
  }

  /** The queues among `tubes`. */
  queuesIn(tubes: readonly string[]): string[] {
    return queuesBehind(this.#prefix, tubes).filter((queue) => !isInternal(queue));
  }
}

function isInternal(queue: string): boolean {
  return [INTERNAL, JOURNAL, JOURNAL_LOCK].some((beginning) => queue.startsWith(beginning));
}

/** Whole seconds, rounded up: beanstalkd's clock is no finer. */
export function toSeconds(ms: number): number {
  return Math.ceil(ms / 1000);
}

/** The server's own ceiling for `-z`: a lower one here would let a large message block its queue for ever. */
export const MAX_BODY_BYTES = 1_073_741_824;

/** A server with a log drops a body of more than its `max-job-size` less this at a restart, and what its log holds behind it. */
export const BINLOG_MARGIN = 2;
