import type { Consumer } from '../../queue/driver.js';
import { HeldMessage } from './held-message.js';

/** Takes and acks one message after another, until the consumer is closed. */
export async function drainUntilClosed(consumer: Consumer, handle: (body: string) => Promise<void>): Promise<void> {
  for (;;) {
    const messages = await consumer.reserve();
    if (messages.length === 0) return;
    for (const message of messages) {
      await handle(message.body.toString());
      await new HeldMessage(message, consumer).ack();
    }
  }
}
