import { createServer, type Server } from 'node:http';
import { json } from 'node:stream/consumers';
import type { Queue } from 'haricot';
import { SendMail } from './messages.js';

let lastOrder = 0;

/** Takes orders. Whoever orders waits until the message is stored, not until the mail is sent. */
export function createShop(mail: Queue): Server {
  return createServer(async (request, response) => {
    const answer = (status: number, body: object): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
    };
    if (request.method !== 'POST' || request.url !== '/orders') return answer(404, { error: 'there is POST /orders' });
    const body = await json(request).catch(() => undefined);
    const { email } = (body ?? {}) as { email?: unknown };
    if (typeof email !== 'string') return answer(400, { error: 'an order is { "email": "…" }' });
    const order = ++lastOrder;
    try {
      await mail.publish(SendMail, { to: email, subject: `Your order ${order}` });
      answer(202, { order });
    } catch (error) {
      console.error('shop     |', error);
      answer(503, { error: 'no orders can be taken now' });
    }
  });
}
