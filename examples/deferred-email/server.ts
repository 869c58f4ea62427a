// Deferred e-mail: the shop as a process of its own.
//
//   node --import tsx examples/deferred-email/server.ts 3000
//   node --import tsx examples/deferred-email/worker.ts       # in another terminal; start as many as you like
//   curl -i localhost:3000/orders -d '{ "email": "ada@shop.example" }'
//
// HARICOT_URL names their engine, SQLite in ./mail.db unless it is set. Mails wait there while no worker runs. Ctrl-C ends each.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { openDriver, Queue } from 'haricot';
import { createShop } from './shop.js';

const { HARICOT_URL = 'sqlite:./mail.db' } = process.env;
const driver = await openDriver(HARICOT_URL);
const mail = new Queue(driver, 'mail', { source: '/shop' });
await mail.setUp();
const shop = createShop(mail).listen(Number(process.argv[2] ?? 3000), 'localhost');
await once(shop, 'listening');
const { port } = shop.address() as AddressInfo;
console.log(`shop     | POST http://localhost:${port}/orders`);

await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
shop.close();
await once(shop, 'close');
await driver.close();
console.log('shop     | closed');
