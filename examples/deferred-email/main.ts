// Deferred e-mail: a web shop answers its customers at once, and slots mail the confirmations afterwards.
//
//   node --import tsx examples/deferred-email/main.ts
//
// Here shop and worker are one process, which ends when all mails are dealt with. server.ts and worker.ts are the same as two.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Queue, SignalDispatcher, Worker } from 'haricot';
import { onEngine } from '../engine.js';
import { connectObservers } from './observers.js';
import { createShop } from './shop.js';
import connectSlots from './slots.js';

const CUSTOMERS = ['ada@shop.example', 'alan@busy.example', 'nobody', 'grace@shop.example'];

await onEngine(async (driver) => {
  const mail = new Queue(driver, 'mail', { source: '/shop' });
  await mail.setUp();
  const shop = createShop(mail).listen(0, '127.0.0.1');
  await once(shop, 'listening');
  const { port } = shop.address() as AddressInfo;

  const signals = new SignalDispatcher();
  connectSlots(signals);
  connectObservers(signals);
  const worker = new Worker(mail, signals, { concurrency: 2, attempts: 3, backoff: '100ms' });
  let unsettled = CUSTOMERS.length;
  const onSettled = (): void => {
    if (--unsettled === 0) void worker.stop();
  };
  signals.connect('messageFinished', onSettled);
  signals.connect('messageFailed', onSettled);
  const working = worker.run();

  for (const email of CUSTOMERS) {
    const response = await fetch(`http://127.0.0.1:${port}/orders`, {
      method: 'POST',
      body: JSON.stringify({ email }),
    });
    console.log(`customer | ${email} ordered: ${response.status} ${(await response.text()).trim()}`);
  }
  shop.close();

  await working;
  for (const failed of (await mail.failed()).messages) {
    console.log(`operator | deletes message ${failed.jobId}:`, mail.decode(failed).data);
    await mail.delete(failed.jobId);
  }
  const { ready, delayed, reserved, buried } = (await mail.stats()) ?? {};
  console.log('operator | left in the queue:', { ready, delayed, reserved, buried });
});
