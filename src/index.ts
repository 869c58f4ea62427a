export { type DriverFactory, type DriverOptions, openDriver, registerDriver } from './drivers/open.js';
export {
  checkConsume,
  checkDecimalId,
  checkLimit,
  checkMs,
  checkPut,
  checkPutMany,
  checkReserve,
  checkSettlement,
} from './queue/checks.js';
export { cloudEvents } from './queue/cloudevents.js';
export type { Codec, CodecContext, SelfDescribingCodec } from './queue/codec.js';
export type {
  Capabilities,
  ConsumeOptions,
  Consumer,
  Driver,
  MessageCounts,
  PeekState,
  PutItem,
  PutOptions,
  QueueOrder,
  QueueStats,
  Reservation,
  ReserveOptions,
  StoredMessage,
} from './queue/driver.js';
export type { Duration } from './queue/duration.js';
export * from './queue/errors.js';
export type { Failure, FailureCause } from './queue/failure.js';
export { json } from './queue/json.js';
export { defineMessage, type Message, type MessageType } from './queue/message.js';
export { checkQueueName } from './queue/name.js';
export { type PublishOptions, Queue, type QueueOptions, type TakeOptions } from './queue/queue.js';
export { raw } from './queue/raw.js';
export { type ConnectOptions, type Disconnect, SignalDispatcher } from './signals/dispatcher.js';
export type {
  FailureReason,
  MessageSlot,
  Observer,
  ObserverSignal,
  SignalEvents,
  SlotContext,
  StopReason,
} from './signals/signals.js';
export type { Unhandled, WorkerOptions } from './worker/options.js';
export type { Backoff, ExponentialBackoff } from './worker/retry.js';
export { Worker } from './worker/worker.js';
