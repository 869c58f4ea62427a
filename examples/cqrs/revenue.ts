import type { SignalDispatcher } from 'haricot';
import { Sold } from './messages.js';

/** A read model: what was earned on each day. */
export function connectRevenue(signals: SignalDispatcher): ReadonlyMap<string, number> {
  const revenue = new Map<string, number>();
  const seen = new Set<string>();

  signals.connect(Sold, ({ data: { eventId, article, day, count, price } }) => {
    if (seen.has(eventId)) {
      console.log(`revenue    | has counted the event about the ${article} before`);
      return;
    }
    seen.add(eventId);
    revenue.set(day, (revenue.get(day) ?? 0) + count * price);
  });
  return revenue;
}
