// Two bounded contexts that share no code, only a contract of messages. The shop publishes CloudEvents; shipping answers on a
// queue of bare JSON. Each reads what it needs with a schema of its own.
//
//   node --import tsx examples/bounded-contexts/main.ts
//
// They need not be up at the same time: here shipping starts when the shop has sold, and the shop listens when all is shipped.
import { onEngine, untilDone } from '../engine.js';
import { openShipping } from './shipping.js';
import { openShop } from './shop.js';

await onEngine(async (driver) => {
  const shop = openShop(driver);
  const shipping = openShipping(driver);
  await shop.shipments.setUp();
  await shipping.parcels.setUp();

  await shop.sell(1, 'Ada', '1 Mill Lane, Cambridge');
  await shop.sell(2, 'Alan', 'somewhere');
  await shop.sell(3, 'Grace', '3 Navy Yard, Arlington');
  const shipments = await shop.shipments.list({ state: 'ready', limit: 1 });
  for (const { body } of shipments.messages) console.log(`wire     | ${body}`);

  const shippingRuns = shipping.worker.run();
  await untilDone(shop.shipments);
  const parcels = await shipping.parcels.list({ state: 'ready', limit: 1 });
  for (const { body } of parcels.messages) console.log(`wire     | ${body}`);
  await shipping.worker.stop();
  await shippingRuns;

  const shopRuns = shop.worker.run();
  await untilDone(shipping.parcels);
  await shop.worker.stop();
  await shopRuns;

  console.log(`operator | ${await shop.shipments.flush()} message removed that shipping could not read`);
});
