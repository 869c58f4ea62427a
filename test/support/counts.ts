import type { MessageCounts, QueueStats } from '../../src/queue/driver.js';

/** The messages in each state; none where there is no such queue. */
export function countsOf(stats: QueueStats | null): MessageCounts {
  const { ready = 0, delayed = 0, reserved = 0, buried = 0 } = stats ?? {};
  return { ready, delayed, reserved, buried };
}
