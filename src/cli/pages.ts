// Many messages are asked for a page at a time.
import type { MessagePage, StoredMessage } from '../queue/driver.js';

/** How many messages a list shows where nothing else is asked for. */
export const DEFAULT_LIMIT = 10;

/** How many messages are asked for at once. */
const PAGE = 500;

/** How many messages are asked for: all of them is no number. */
export function limitOf({
  limit = DEFAULT_LIMIT,
  all = false,
}: {
  readonly limit?: number;
  readonly all?: boolean;
}): number {
  return all ? Number.POSITIVE_INFINITY : limit;
}

/** Why nothing is listed. */
export function nothing({ limit }: { readonly limit?: number }, text: string): string {
  return limit === 0 ? 'nothing to show: --limit is 0' : text;
}

/**
 * Up to `limit` messages, page by page.
 * @returns `isEnd`: there are no more
 */
export async function collect(
  limit: number,
  pageOf: (options: { readonly limit: number; readonly after?: string }) => Promise<MessagePage>,
): Promise<{ readonly messages: readonly StoredMessage[]; readonly isEnd: boolean }> {
  const messages: StoredMessage[] = [];
  let after: string | undefined;
  while (messages.length < limit) {
    const asked = Math.min(PAGE, limit - messages.length);
    const page = await pageOf({ limit: asked, ...(after !== undefined && { after }) });
    messages.push(...page.messages);
    if (page.next === undefined) return { messages, isEnd: true };
    after = page.next;
  }
  return { messages, isEnd: false };
}
