// Deferred e-mail: a worker as a process of its own, for the shop of server.ts. `haricot work` does the same without it:
//
//   haricot work mail --slots ./slots.js --concurrency 10 --attempts 3 --url sqlite:./mail.db
import { openDriver, Queue, SignalDispatcher, Worker } from 'haricot';
import { connectObservers } from './observers.js';
import connectSlots from './slots.js';

const { HARICOT_URL = 'sqlite:./mail.db' } = process.env;
const driver = await openDriver(HARICOT_URL);
const signals = new SignalDispatcher();
connectSlots(signals);
connectObservers(signals);
const worker = new Worker(new Queue(driver, 'mail'), signals, { concurrency: 10, attempts: 3 });
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => worker.stop({ grace: '10s' }));

console.log('worker   | working on mail');
await worker.run();
await driver.close();
console.log('worker   | stopped');
