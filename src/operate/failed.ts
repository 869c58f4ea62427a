import { checkInteger, checkOptions, type OptionNames } from '../queue/checks.js';
import type { MessagePage, StoredMessage } from '../queue/driver.js';
import { type MessageFilter, matcherOf, type OperatedQueue, PAGE_SIZE } from './filter.js';

/** Which buried messages to show. */
export interface FailedOptions extends MessageFilter {
  /** How many at most. Default 100. */
  readonly limit?: number | undefined;
  /** The `next` of the page before, for the same `type` and `reason`. */
  readonly after?: string | undefined;
}

const DEFAULT_LIMIT = 100;
const FAILED_OPTIONS: OptionNames<FailedOptions> = { type: true, reason: true, limit: true, after: true };

/** The buried messages that match, the one buried first at the beginning. @throws InvalidOptionError, EngineError */
export async function failed(queue: OperatedQueue, options: FailedOptions): Promise<MessagePage> {
  const { limit: given, after, ...filter } = checkOptions('failed', options, FAILED_OPTIONS);
  const limit = given === undefined ? DEFAULT_LIMIT : checkInteger('limit', given, 1);
  const matches = matcherOf(queue, filter);
  const list = (size: number, from: string | undefined): Promise<MessagePage> =>
    queue.driver.list(queue.name, { state: 'buried', limit: size, after: from });
  if (matches === undefined) return list(limit, after);
  const found: StoredMessage[] = [];
  let from = after;
  let size = PAGE_SIZE;
  for (;;) {
    const { messages, next } = await list(size, from);
    const matching = messages.filter(matches);
    const last = matching[limit - found.length - 1];
    if (last !== undefined && matching.at(-1) !== last) {
      // More than were asked for. Only the engine knows how to go on behind the last of them: it is asked for a page that
      // ends there.
      size = messages.indexOf(last) + 1;
      continue;
    }
    found.push(...matching);
    if (next === undefined) return { messages: found };
    if (last !== undefined) return { messages: found, next };
    from = next;
    size = PAGE_SIZE;
  }
}
