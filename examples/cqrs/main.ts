// CQRS: commands go through a queue to the one who decides on them; the events that come of it go through another queue to
// the read models that are interested. At-least-once delivery does no harm, because events are known again.
//
//   node --import tsx examples/cqrs/main.ts
//
// The two workers share nothing but the engine, and could be two processes.
import { Queue, SignalDispatcher, Worker } from 'haricot';
import { onEngine, untilDone } from '../engine.js';
import { connectInventory } from './inventory.js';
import { SaleRefused, Sell, StockUp } from './messages.js';
import { connectRevenue } from './revenue.js';
import { connectStockList } from './stock-list.js';

await onEngine(async (driver) => {
  const commands = new Queue(driver, 'commands');
  const events = new Queue(driver, 'events');
  await commands.setUp();
  await events.setUp();

  const writing = new SignalDispatcher();
  connectInventory(writing, events);
  writing.connect('messageReleased', ({ message, error }) => {
    console.log(`inventory  | ${message.type} failed after its event was out: ${(error as Error).message}`);
  });

  const reading = new SignalDispatcher();
  const stock = connectStockList(reading);
  const revenue = connectRevenue(reading);
  reading.connect(SaleRefused, ({ data }) => {
    console.log(`service    | there are only ${data.left} of ${data.count} ${data.article}s`);
  });

  const workers = [
    // One at a time, so that commands are decided in order.
    new Worker(commands, writing, { concurrency: 1, backoff: '50ms' }),
    new Worker(events, reading, { concurrency: 4 }),
  ];
  const working = workers.map((worker) => worker.run());

  await commands.publishMany(StockUp, [
    { article: 'kite', count: 10 },
    { article: 'ball', count: 3 },
  ]);
  await commands.publishMany(Sell, [
    { article: 'kite', count: 4, price: 25, day: 'Monday' },
    { article: 'ball', count: 1, price: 8, day: 'Monday' },
    { article: 'ball', count: 5, price: 8, day: 'Tuesday' },
    { article: 'ball', count: 2, price: 8, day: 'Tuesday' },
  ]);

  // Every event is out when the last command is acknowledged.
  await untilDone(commands);
  await untilDone(events);
  console.log('query      | stock:', Object.fromEntries(stock));
  console.log('query      | revenue:', Object.fromEntries(revenue));

  for (const worker of workers) await worker.stop();
  await Promise.all(working);
});
