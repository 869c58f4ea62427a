import type { Client } from '../../client/client.js';
import { BuriedError } from '../../client/errors.js';
import type { Tube } from '../../client/tube.js';
import type { PutOptions } from '../../queue/driver.js';
import { EngineError } from '../../queue/errors.js';
import { rejectTranslated, toHaricotError } from './errors.js';
import { BINLOG_MARGIN, toSeconds } from './tubes.js';

/** The server's own default for `-z`, less what a log does not keep. Larger bodies are sent only when it is known to take them. */
const USUAL_MAX_BODY = 65_535 - BINLOG_MARGIN;

type ServerStats = Awaited<ReturnType<Client['stats']>>;

/** A message to store in a tube. */
export interface TubeItem {
  readonly tube: string;
  readonly body: Uint8Array;
  readonly options: PutOptions;
}

/** Stores messages in tubes, and tells what is stored where something fails. */
export class Publisher {
  readonly #client: Client;
  #serverLimit: ServerLimit | undefined;
  /** The last one that was put into. */
  #tube: Tube | undefined;

  constructor(client: Client) {
    this.#client = client;
    // Another server may have another limit.
    client.on('disconnect', () => {
      this.#serverLimit = undefined;
    });
  }

  /** Whether nothing has to be asked before it is sent. */
  static isSentAtOnce(body: Uint8Array): boolean {
    return body.length <= USUAL_MAX_BODY;
  }

  /**
   * Stores messages, all in one write where they are not very many.
   * @returns their ids, in order
   * @throws EngineError whose `storedIds` and `unknownAt` say what is stored
   */
  async put(items: readonly TubeItem[]): Promise<string[]> {
    const sizes = items.map(({ body }) => body.length).filter((size) => size > USUAL_MAX_BODY);
    if (sizes.length > 0) await this.#checkSizes(sizes);
    const [only] = items;
    if (items.length === 1 && only !== undefined) return [await this.send(only).catch(rejectTranslated)];
    const ids: string[] = [];
    for (const portion of portionsOf(items)) {
      const puts = portion.map((item) => this.send(item));
      try {
        ids.push(...(await Promise.all(puts)));
      } catch {
        const before = ids.map((value) => ({ status: 'fulfilled', value }) as const);
        throw toPartialError([...before, ...(await Promise.allSettled(puts))], items.length);
      }
    }
    return ids;
  }

  /** Sends one for which nothing has to be asked. Rejects with the client's errors. */
  send({ tube, body, options: { priority, delayMs, ttrMs } }: TubeItem): Promise<string> {
    if (this.#tube?.name !== tube) this.#tube = this.#client.tube(tube);
    return this.#tube.put(body, { priority, delay: toSeconds(delayMs), ttr: toSeconds(ttrMs) });
  }

  /** Before the first byte is sent: then nothing is stored. */
  async #checkSizes(sizes: readonly number[]): Promise<void> {
    try {
      this.#serverLimit ??= limitOf(await this.#client.stats());
    } catch (error) {
      throw toHaricotError(error, true);
    }
    const { maxBody, reason } = this.#serverLimit;
    const largest = Math.max(...sizes);
    if (largest <= maxBody) return;
    throw new EngineError(`cannot store a message of ${largest} bytes: ${reason}; start it with a larger -z`);
  }
}

/** The largest body that a server keeps, and why. */
interface ServerLimit {
  readonly maxBody: number;
  readonly reason: string;
}

/** With a log it takes what is one byte or two larger, and loses that at a restart, with all that its log holds behind it. */
function limitOf({ maxJobSize, binlogCurrentIndex }: ServerStats): ServerLimit {
  const reason = `the server's max-job-size is ${maxJobSize}`;
  if (binlogCurrentIndex === 0) return { maxBody: maxJobSize, reason };
  return { maxBody: maxJobSize - BINLOG_MARGIN, reason: `${reason}, and its log keeps ${BINLOG_MARGIN} bytes less` };
}

/** What is in flight at once: the client refuses more than 64 MiB, and others publish as well. */
const PORTION_BYTES = 16 * 1024 * 1024;
const PORTION_ITEMS = 10_000;

function* portionsOf(items: readonly TubeItem[]): Iterable<readonly TubeItem[]> {
  let start = 0;
  let bytes = 0;
  for (const [index, { body }] of items.entries()) {
    if (index > start && (bytes + body.length > PORTION_BYTES || index - start === PORTION_ITEMS)) {
      yield items.slice(start, index);
      start = index;
      bytes = 0;
    }
    bytes += body.length;
  }
  yield items.slice(start);
}

/** What is known of the first puts of a list, of which some have failed; the others were not sent. */
function toPartialError(puts: readonly PromiseSettledResult<string>[], total: number): EngineError {
  const storedIds = Array.from({ length: total }, (_, index) => idOf(puts[index]));
  const failed = puts.flatMap((put, index) =>
    put.status === 'rejected' ? [{ index, error: toHaricotError(put.reason) }] : [],
  );
  const unknownAt = failed.filter(({ error }) => isUnknown(error)).map(({ index }) => index);
  const stored = storedIds.filter((id) => id !== undefined).length;
  const cause = failed[0]?.error;
  const why = cause instanceof Error ? cause.message : String(cause);
  const doubt = unknownAt.length > 0 ? `, of ${unknownAt.length} nobody can tell` : '';
  const outcome = unknownAt.length > 0 ? 'unknown' : stored > 0 ? 'partial' : 'nothing';
  return new EngineError(
    `cannot store all ${total} messages: ${stored} ${stored === 1 ? 'is' : 'are'} stored${doubt}; ${why}`,
    {
      cause: cause instanceof EngineError ? cause.cause : cause,
      retryable: failed.every(({ error }) => error instanceof EngineError && error.retryable),
      outcome,
      ...(outcome === 'nothing' ? {} : { storedIds }),
      ...(unknownAt.length > 0 ? { unknownAt } : {}),
    },
  );
}

function isUnknown(error: unknown): boolean {
  return error instanceof EngineError && error.outcome === 'unknown';
}

/** Of a job that is stored; the server may have stored it, but not been able to queue it. */
function idOf(put: PromiseSettledResult<string> | undefined): string | undefined {
  if (put?.status !== 'rejected') return put?.value;
  return put.reason instanceof BuriedError ? put.reason.jobId : undefined;
}
