// The main job, end to end: a shop answers its customers at once, and a worker in another process mails the confirmations.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { startServer } from '../../integration/support/server.js';
import { openDriver, Queue } from '../../src/index.js';
import { type OrderMail, SendOrderMail } from './messages.js';

const ORDERS: readonly OrderMail[] = [
  { order: 1, to: 'ada@shop.example' },
  { order: 2, to: 'grace@shop.example' },
  { order: 3, to: 'alan@busy.example' },
  { order: 4, to: 'nobody' },
  { order: 5, to: 'edsger@shop.example' },
];

/** What the shop does when an order comes in: the mail is somebody else's work. */
async function placeOrder(queue: Queue, order: OrderMail): Promise<string> {
  await queue.publish(SendOrderMail, order);
  return `201 Created /orders/${order.order}`;
}

/** `haricot work`, as one would start it in production. */
function startWorker(queue: string, url: string): ChildProcess {
  const cli = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
  const slots = fileURLToPath(new URL('./slots.ts', import.meta.url));
  const options = ['--slots', slots, '--attempts', '3', '--concurrency', '2', '--verbose'];
  return spawn(process.execPath, ['--import', 'tsx', cli, '--url', url, 'work', queue, ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/** Shows what the worker writes, until every order's mail was sent or given up. */
async function watch(worker: ChildProcess): Promise<void> {
  if (worker.stdout === null) throw new Error('the worker has no output');
  let unsettled = ORDERS.length;
  for await (const line of createInterface({ input: worker.stdout })) {
    console.log(`  worker | ${line}`);
    if (/ finished in | BURIED /.test(line) && --unsettled === 0) return;
  }
  throw new Error('the worker ended before its work was done');
}

const server = await startServer();
const driver = await openDriver(server.url);
const queue = new Queue(driver, `demo-mail-${process.pid}`);
let worker: ChildProcess | undefined;
try {
  await queue.setUp();
  console.log(`\n1. The shop takes ${ORDERS.length} orders. Each request only publishes a message (${server.url}):\n`);
  for (const order of ORDERS) {
    const began = performance.now();
    const answer = await placeOrder(queue, order);
    const micros = Math.round((performance.now() - began) * 1000);
    console.log(`  shop   | ${answer}  after ${micros} µs`);
  }

  console.log(
    '\n2. A worker in another process mails them. Order 3 meets a busy mail server twice, order 4 has no mailbox:\n',
  );
  worker = startWorker(queue.name, server.url);
  await watch(worker);
  worker.kill('SIGTERM');
  worker.stdout?.resume();
  await once(worker, 'exit');

  const { ready, delayed, reserved, buried } = await queue.stats();
  console.log('\n3. What is left in the queue:\n');
  console.log(`  ready ${ready}, delayed ${delayed}, reserved ${reserved}, buried ${buried}`);
  for (const stored of await queue.peek('buried')) {
    console.log(`  buried: message ${stored.id}, ${JSON.stringify(queue.decode(stored).data)}`);
  }
  await queue.flush();
} finally {
  worker?.kill('SIGKILL');
  await driver.close();
  await server.stop();
}
