import type { Consumer } from '../queue/driver.js';

/** Takes and acks one message after another, until the consumer is closed. */
export async function compete(consumer: Consumer, handle: (body: string) => Promise<void>): Promise<void> {
  for (;;) {
    const reservation = await consumer.reserve();
    if (reservation === null) return;
    await handle(reservation.body.toString());
    await reservation.ack();
  }
}
