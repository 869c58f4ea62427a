import { type Driver, defineMessage, json, Queue, SignalDispatcher, Worker } from 'haricot';
import { z } from 'zod';
import { PARCELS, SHIPMENTS } from './contract.js';

const ShipmentOrdered = defineMessage(
  SHIPMENTS.type,
  z.object({ order: z.int(), customer: z.string(), address: z.string() }),
);

/** What the shop makes of an answer is its own business: here, a link for the customer. */
const ParcelSent = defineMessage(
  PARCELS.type,
  z.object({ order: z.int(), tracking: z.string().transform((code) => `https://parcels.example/${code}`) }),
);

/** The shop's context: it orders shipments, and hears of parcels. */
export function openShop(driver: Driver): {
  readonly shipments: Queue;
  readonly worker: Worker;
  sell(order: number, customer: string, address: string): Promise<void>;
} {
  const shipments = new Queue(driver, SHIPMENTS.queue, { source: '/shop' });
  const parcels = new Queue(driver, PARCELS.queue, { codec: json, type: PARCELS.type });
  const signals = new SignalDispatcher();
  signals.connect(ParcelSent, ({ data }) =>
    console.log(`shop     | order ${data.order} is on its way: ${data.tracking}`),
  );

  return {
    shipments,
    worker: new Worker(parcels, signals),
    async sell(order, customer, address) {
      await shipments.publish(ShipmentOrdered, { order, customer, address });
      console.log(`shop     | sold order ${order} to ${customer}`);
    },
  };
}
