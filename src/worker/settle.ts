import type { Settlement } from '../queue/driver.js';
import { LeaseLostError } from '../queue/errors.js';
import { toFailure } from '../queue/failure.js';
import { isA } from '../shared/is-a.js';
import type { Delivery, DeliveryEnvironment } from './delivery.js';
import type { Disposition, Outcome } from './disposition.js';
import { resultOf } from './worker-consumer.js';

type Released = Disposition & { readonly outcome: 'released' };
type Failed = Disposition & { readonly outcome: 'failed' };

/**
 * Settles the message of a delivery, and tells the observers. Issues its command at once, so that the next reserve can share its
 * write.
 * @returns how the delivery ended, once the engine has answered; rejects when the engine fails
 */
export async function settle(
  delivery: Delivery,
  disposition: Disposition,
  environment: DeliveryEnvironment,
): Promise<Outcome> {
  const { reserved, attempt } = delivery;
  const { consumer, signals } = environment;
  const { queue, jobId } = reserved;
  try {
    switch (disposition.outcome) {
      case 'finished': {
        resultOf(await consumer.settle({ kind: 'ack', message: reserved }));
        const { message, durationMs } = disposition;
        signals.emit('messageFinished', { queue, jobId, attempt, message, durationMs });
        return 'finished';
      }
      case 'committed': {
        const { message, error } = disposition;
        if (error !== undefined) environment.onError(error);
        signals.emit('messageFinished', { queue, jobId, attempt, message, durationMs: delivery.durationMs });
        return 'finished';
      }
      case 'released':
        await release(delivery, disposition, environment);
        return 'released';
      case 'failed':
        await bury(delivery, disposition, environment);
        return 'failed';
      case 'lost':
        return await settleLost(delivery, environment);
      case 'unknown':
        throw disposition.error;
    }
  } catch (error) {
    if (!isA(LeaseLostError, error)) throw error;
    tellLost(delivery, environment);
    return 'lost';
  }
}

async function release(delivery: Delivery, disposition: Released, environment: DeliveryEnvironment): Promise<void> {
  const { message, delayMs, error, counted, reason, pauseQueue } = disposition;
  const { queue, jobId } = delivery.reserved;
  // Before the release, so that fewer messages of the queue are reserved meanwhile.
  const paused = pauseQueue ? environment.pause.extend(delayMs).catch(environment.onError) : undefined;
  reconnectSlots(delivery, environment);
  const keepsFailure = environment.capabilities.failures === 'kept' && reason !== undefined;
  const failure = keepsFailure ? toFailure(error, { reason, attempt: delivery.attempt }) : undefined;
  await settleWithFailure({ kind: 'release', message: delivery.reserved, delayMs, counted, failure }, environment);
  const { attempt, durationMs } = delivery;
  environment.signals.emit('messageReleased', { queue, jobId, attempt, message, delayMs, counted, error, durationMs });
  await paused;
}

async function bury(delivery: Delivery, disposition: Failed, environment: DeliveryEnvironment): Promise<void> {
  const { message, reason, error } = disposition;
  const { queue, jobId, body } = delivery.reserved;
  const { attempt, durationMs } = delivery;
  const keepsFailure = environment.capabilities.failures !== 'none';
  const failure = keepsFailure ? toFailure(error, { reason, attempt }) : undefined;
  await settleWithFailure({ kind: 'bury', message: delivery.reserved, failure }, environment);
  environment.signals.emit('messageFailed', { queue, jobId, attempt, message, body, reason, error, durationMs });
}

async function settleWithFailure(settlement: Settlement, { consumer, onError }: DeliveryEnvironment): Promise<void> {
  const { failureError } = resultOf(await consumer.settle(settlement));
  if (failureError !== undefined) onError(failureError);
}

/** Where only our own clock says that the lease is over, the engine may think otherwise, and wait for us. */
async function settleLost(delivery: Delivery, environment: DeliveryEnvironment): Promise<Outcome> {
  const { reserved } = delivery;
  tellLost(delivery, environment);
  if (!reserved.lost.aborted) {
    try {
      await environment.consumer.settle({ kind: 'release', message: reserved });
    } catch {
      // The engine cannot be reached.
    }
  }
  return 'lost';
}

function tellLost(delivery: Delivery, environment: DeliveryEnvironment): void {
  const { reserved, attempt, message } = delivery;
  const { queue, jobId } = reserved;
  reconnectSlots(delivery, environment);
  if (message) environment.signals.emit('leaseLost', { queue, jobId, attempt, message });
}

/** It will be delivered again, and then needs its slots. */
function reconnectSlots({ context }: Delivery, { signals }: DeliveryEnvironment): void {
  if (context !== undefined) signals.reconnect(context);
}
