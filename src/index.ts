export {
  type DriverFactory,
  type DriverOptions,
  type OpenOptions,
  openDriver,
  registerDriver,
} from './drivers/open.js';
export type { FailedOptions } from './operate/failed.js';
export type { MessageFilter } from './operate/filter.js';
export type { MoveResult, MoveSelection } from './operate/move.js';
export type { RetryOptions } from './operate/retry.js';
export type { Capabilities, ListCapability, MessageState, ResolvedCapabilities } from './queue/capabilities.js';
export { type CheckedDriver, checkedDriver } from './queue/checked-driver.js';
export { checkDecimalId } from './queue/checks.js';
export { cloudEvents } from './queue/cloudevents.js';
export type { Codec, CodecContext, SelfDescribingCodec } from './queue/codec.js';
export type {
  ConsumeOptions,
  Consumer,
  Driver,
  ListOptions,
  MessageCounts,
  MessagePage,
  PutItem,
  PutOptions,
  PutResult,
  QueueOrder,
  QueueStats,
  ReservedMessage,
  ReserveOptions,
  RetrySelection,
  Selection,
  Settlement,
  SettlementResult,
  StoredItem,
  StoredMessage,
  Transaction,
  TransactionClient,
} from './queue/driver.js';
export type { Duration } from './queue/duration.js';
export * from './queue/errors.js';
export type { Failure, FailureCause } from './queue/failure.js';
export { json } from './queue/json.js';
export { defineMessage, type Message, type MessageType } from './queue/message.js';
export { checkPrefixedName, checkQueueName, queuesBehind } from './queue/name.js';
export type {
  OutgoingMessage,
  PublishDefaults,
  PublishManyOptions,
  PublishMiddleware,
  PublishOptions,
} from './queue/publishing.js';
export {
  type FlushOptions,
  publishTo,
  Queue,
  type QueueListOptions,
  type QueueOptions,
  type TakeOptions,
} from './queue/queue.js';
export { raw } from './queue/raw.js';
export type { AckOptions, BuryOptions, ReleaseOptions, Reservation } from './queue/reservation.js';
export { type ConnectOptions, type Disconnect, SignalDispatcher } from './signals/dispatcher.js';
export type { SlotMiddleware } from './signals/middleware.js';
export type {
  FailureReason,
  MessageSlot,
  Observer,
  ObserverSignal,
  OperatorVerb,
  SignalEvents,
  SlotContext,
  StopReason,
} from './signals/signals.js';
export type { FailureAnswer, MessageFailure, OnFailure, Unhandled, WorkerOptions } from './worker/options.js';
export type { Backoff, ExponentialBackoff } from './worker/retry.js';
export type { ConnectSlots, SlotsApp, SlotsEnd } from './worker/slots.js';
export type { InFlightMessage, WorkerState, WorkerStatus } from './worker/status.js';
export { Worker } from './worker/worker.js';
