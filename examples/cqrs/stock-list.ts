import type { SignalDispatcher } from 'haricot';
import { Sold, StockedUp } from './messages.js';

/** A read model: how many of each article are there. It hears of the same events as the revenue, and knows nothing of that. */
export function connectStockList(signals: SignalDispatcher): ReadonlyMap<string, number> {
  const list = new Map<string, number>();
  const seen = new Set<string>();

  /** Adding is not idempotent, so each read model remembers which events it has counted. */
  function add(eventId: string, article: string, count: number): void {
    if (seen.has(eventId)) {
      console.log(`stock list | has counted the event about the ${article} before`);
      return;
    }
    seen.add(eventId);
    list.set(article, (list.get(article) ?? 0) + count);
  }

  signals.connect(StockedUp, ({ data }) => add(data.eventId, data.article, data.count));
  signals.connect(Sold, ({ data }) => add(data.eventId, data.article, -data.count));
  return list;
}
