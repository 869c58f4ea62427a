import { type Driver, defineMessage, json, Queue, SignalDispatcher, Worker } from 'haricot';
import { z } from 'zod';
import { PARCELS, SHIPMENTS } from './contract.js';

/** Shipping reads what it needs, and asks more of an address than the shop does. Who the customer is, it need not know. */
const ShipmentOrdered = defineMessage(
  SHIPMENTS.type,
  z.object({ order: z.int(), address: z.string().regex(/^.+, .+$/, 'an address is "street, town"') }),
);

const ParcelSent = defineMessage(PARCELS.type, z.object({ order: z.int(), tracking: z.string() }));

/** Shipping's context: it hears of shipments, and answers with parcels. */
export function openShipping(driver: Driver): { readonly parcels: Queue; readonly worker: Worker } {
  const shipments = new Queue(driver, SHIPMENTS.queue);
  const parcels = new Queue(driver, PARCELS.queue, { codec: json, type: PARCELS.type });
  const signals = new SignalDispatcher();

  signals.connect(ShipmentOrdered, async ({ data, source }) => {
    const tracking = `DE${1000 + data.order}`;
    await parcels.publish(ParcelSent, { order: data.order, tracking });
    console.log(`shipping | sent order ${data.order} of ${source} to ${data.address}`);
  });
  signals.connect('messageFailed', ({ reason, error }) => {
    console.log(`shipping | put a message aside (${reason}): ${(error as Error).message}`);
  });

  return { parcels, worker: new Worker(shipments, signals) };
}
