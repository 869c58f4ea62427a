import type { Queue, SignalDispatcher } from 'haricot';
import { SaleRefused, Sell, Sold, StockedUp, StockUp } from './messages.js';

/**
 * The write side: decides on commands, and tells what has happened as events.
 *
 * A command may be delivered again, for example when the process ended before it was acknowledged. It is not decided again: what was
 * decided is told again, under the same event id. (An application keeps `stock` and `decisions` in one database, and changes both
 * in one transaction.)
 */
export function connectInventory(signals: SignalDispatcher, events: Queue): void {
  const stock = new Map<string, number>();
  const decisions = new Map<string, () => Promise<unknown>>();

  signals.connect(StockUp, async ({ id, data }) => {
    if (!decisions.has(id)) {
      stock.set(data.article, (stock.get(data.article) ?? 0) + data.count);
      decisions.set(id, () => events.publish(StockedUp, { eventId: id, ...data }));
    }
    await decisions.get(id)?.();
  });

  signals.connect(Sell, async ({ id, data }, { attempt }) => {
    if (!decisions.has(id)) {
      const left = stock.get(data.article) ?? 0;
      if (left < data.count) {
        const { article, count } = data;
        decisions.set(id, () => events.publish(SaleRefused, { eventId: id, article, count, left }));
      } else {
        stock.set(data.article, left - data.count);
        decisions.set(id, () => events.publish(Sold, { eventId: id, ...data }));
      }
    }
    await decisions.get(id)?.();
    // The bad moment that at-least-once is about: the event is out, the command is not acknowledged yet.
    if (data.article === 'kite' && attempt === 1) throw new Error('the power went out');
  });
}
