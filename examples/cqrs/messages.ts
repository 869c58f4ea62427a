import { defineMessage } from 'haricot';

// Commands: what somebody wants. They may be refused.
export const StockUp = defineMessage<{ article: string; count: number }>('inventory.stock-up');
export const Sell = defineMessage<{ article: string; count: number; price: number; day: string }>('inventory.sell');

/** An event that is published twice is one event all the same: by this id it is known again. */
interface Event {
  readonly eventId: string;
}

// Events: what has happened. Nobody can refuse them.
export const StockedUp = defineMessage<Event & { article: string; count: number }>('inventory.stocked-up');
export const Sold = defineMessage<Event & { article: string; count: number; price: number; day: string }>(
  'inventory.sold',
);
export const SaleRefused = defineMessage<Event & { article: string; count: number; left: number }>(
  'inventory.sale-refused',
);
