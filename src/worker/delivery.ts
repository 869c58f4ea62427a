import { AsyncResource } from 'node:async_hooks';
import type { ResolvedCapabilities } from '../queue/capabilities.js';
import type { ReservedMessage, Transaction, TransactionClient } from '../queue/driver.js';
import {
  InvalidOptionError,
  LeaseLostError,
  SchemaError,
  SlotTimeoutError,
  UnsupportedError,
} from '../queue/errors.js';
import { type Message, validate } from '../queue/message.js';
import type { Queue } from '../queue/queue.js';
import { isA } from '../shared/is-a.js';
import { preview } from '../shared/text.js';
import type { SignalDispatcher } from '../signals/dispatcher.js';
import type { SlotCall } from '../signals/message-slots.js';
import type { FailureReason } from '../signals/signals.js';
import { DeliveryContext, type SlotRequests } from './context.js';
import type { DeadlineTimer, HasDeadline } from './deadline-timer.js';
import { type Disposition, dispositionOfFailure, type PolicyEnvironment } from './disposition.js';
import { type LeaseHolder, LeaseKeeper } from './lease.js';
import type { Settings } from './options.js';
import type { QueuePause } from './queue-pause.js';
import type { InFlightMessage } from './status.js';
import { checkFinish, rolledBack, TransactionalAck } from './transaction.js';
import type { WorkerConsumer } from './worker-consumer.js';

/** What a delivery needs from its worker. */
export interface DeliveryEnvironment extends PolicyEnvironment {
  readonly queue: Queue;
  readonly signals: SignalDispatcher;
  readonly settings: Settings;
  readonly timer: DeadlineTimer;
  readonly consumer: Pick<WorkerConsumer, 'settle' | 'touch' | 'isHeld'>;
  readonly capabilities: ResolvedCapabilities;
  readonly pause: QueuePause;
}

/**
 * Decodes a message, checks it, calls its slots, and decides its disposition.
 *
 * The slots are interrupted when the lease is lost, when they take too long, and when the worker has to stop: their signal aborts,
 * the delivery does not wait for them any longer, and their outcome is ignored. Once `finish` was called, only the end of the
 * transaction decides, and the delivery waits for the slots.
 */
export class Delivery implements SlotRequests, LeaseHolder {
  readonly #reserved: ReservedMessage;
  readonly #environment: DeliveryEnvironment;
  readonly #began = performance.now();
  #endedAt: number | undefined;
  /** Undefined while it is unknown. */
  #attempt: number | undefined;
  #message: Message | undefined;
  #call: SlotCall | undefined;
  #context: DeliveryContext | undefined;
  #lease: LeaseKeeper | undefined;
  #timeout: HasDeadline | undefined;
  #ack: TransactionalAck | undefined;
  /** Set when the slots were interrupted after `finish`: applies where the transaction is rolled back. */
  #interruption: (() => void) | undefined;
  #isDecided = false;
  #resolve: (disposition: Disposition | Promise<Disposition>) => void = () => {};

  constructor(reserved: ReservedMessage, environment: DeliveryEnvironment) {
    this.#reserved = reserved;
    this.#environment = environment;
    this.#attempt = reserved.attempt;
  }

  get attempt(): number | undefined {
    return this.#attempt;
  }

  get reserved(): ReservedMessage {
    return this.#reserved;
  }

  /** Undefined until it is decoded. */
  get message(): Message | undefined {
    return this.#message;
  }

  /** What its slots were given; undefined where none was called. */
  get context(): DeliveryContext | undefined {
    return this.#context;
  }

  status(): InFlightMessage {
    const { queue, jobId } = this.#reserved;
    const startedAt = new Date(Date.now() - (performance.now() - this.#began));
    return { queue, jobId, type: this.#message?.type, attempt: this.#attempt, startedAt };
  }

  /** For how long it has been worked on, or was. */
  get durationMs(): number {
    return (this.#endedAt ?? performance.now()) - this.#began;
  }

  /** Ends the slots now; the message is released at once. */
  stop(): void {
    this.#interrupt(
      new Error('cannot finish the message: the worker was stopped before its slots had finished'),
      (message, error) => this.#onceTracked(() => givenBack(message, error, !this.#environment.canUncount)),
    );
  }

  /** Calls the slots and decides the disposition of the message. Never rejects. */
  process(): Promise<Disposition> {
    return new Promise((resolve) => {
      this.#resolve = resolve;
      // Of its own, so that a slot that enters an AsyncLocalStorage takes no other delivery with it.
      new AsyncResource('haricot.Delivery').runInAsyncScope(this.workOnDelivery, this);
    });
  }

  /** `Worker.stop` recognises a call from a slot or a schema by the name of this method. @internal */
  async workOnDelivery(): Promise<void> {
    const { queue, signals, settings } = this.#environment;
    let message: Message;
    try {
      message = queue.decode(this.#reserved);
    } catch (error) {
      this.#fail(undefined, 'undecodable', error);
      return;
    }
    this.#message = message;
    if (this.#attempt !== undefined && this.#attempt > settings.attempts) {
      const error = new Error(
        `cannot try the message again: this is delivery ${this.#attempt}, and ${settings.attempts} are allowed`,
      );
      this.#fail(message, 'attempts', error);
      return;
    }
    let call: SlotCall | null;
    try {
      this.#limit();
      const prepared = signals.prepare(message, validate);
      // An `await` costs a tick also where there is nothing to wait for.
      call = prepared instanceof Promise ? await prepared : prepared;
    } catch (error) {
      // What the schema itself throws says nothing about the data: a look-up may have failed.
      if (isA(SchemaError, error)) this.#fail(message, 'invalid', error);
      else this.#retry(message, 'attempts', error);
      return;
    }
    if (this.#isDecided) return;
    if (call === null) this.#settleUnhandled(message);
    else await this.#callSlots(message, call);
  }

  async #callSlots(message: Message, call: SlotCall): Promise<void> {
    const { queue, jobId } = this.#reserved;
    this.#environment.signals.emit('messageStarted', { queue, jobId, attempt: this.#attempt, message });
    const context = new DeliveryContext(this.#reserved, this.#attempt, this);
    this.#call = call;
    this.#context = context;
    try {
      await call.run(context);
      if (call.running !== undefined) await call.running;
    } catch (error) {
      if (this.#ack?.isIssued) await this.#decideByTransaction(message, this.#ack, error);
      else this.#retry(message, 'attempts', error);
      if (call.running !== undefined) abandon(call.running, context, error);
      return;
    }
    if (this.#ack?.isIssued) await this.#decideByTransaction(message, this.#ack);
    else this.#finish(message);
  }

  #finish(message: Message): void {
    if (this.#isDecided) return;
    this.#end();
    this.#lease?.stop();
    this.#resolve({ outcome: 'finished', message, durationMs: this.durationMs });
  }

  /** The slots have ended: the message is gone if their transaction was committed. @param error what the slots have thrown */
  async #decideByTransaction(message: Message, ack: TransactionalAck, error?: unknown): Promise<void> {
    try {
      if (!(await ack.isHeld())) {
        const isLost = this.#reserved.lost.aborted;
        this.#decide(() => (isLost ? { outcome: 'lost', message } : { outcome: 'committed', message, error }));
      } else if (this.#interruption !== undefined) this.#interruption();
      else this.#retry(message, 'attempts', error ?? rolledBack());
    } catch (fault) {
      if (error !== undefined) this.#environment.onError(error);
      this.#decide(() => ({ outcome: 'unknown', message, error: fault }));
    }
  }

  /** From now on it can be interrupted. */
  #limit(): void {
    const { timer, settings } = this.#environment;
    this.#keepLease(this.#began);
    const { slotTimeoutMs } = settings;
    if (slotTimeoutMs === undefined) return;
    this.#timeout = { deadlineAt: this.#began + slotTimeoutMs, onDeadline: () => this.#runOutOfTime(slotTimeoutMs) };
    timer.set(this.#timeout);
  }

  /** @param now by `performance.now()` */
  #keepLease(now: number): void {
    this.#lease = new LeaseKeeper(this.#reserved, this.#environment.timer, this, now);
  }

  /** @internal */
  onLeaseLost(reason: Error): void {
    this.#interrupt(reason, (message) => ({ outcome: 'lost', message }));
  }

  /** @internal */
  onLeaseError(error: unknown): void {
    this.#environment.onError(error);
  }

  #runOutOfTime(ms: number): void {
    this.#interrupt(
      new SlotTimeoutError(`cannot finish the message: its slots took longer than ${ms} ms`),
      (message, error) => this.#onceTracked(() => this.#failed(message, 'attempts', error)),
    );
  }

  #interrupt(
    reason: Error,
    disposition: (message: Message, reason: Error) => Disposition | Promise<Disposition>,
  ): void {
    const message = this.#message;
    if (this.#isDecided || message === undefined) return;
    this.#context?.abort(reason);
    const end = (): void => this.#decide(() => disposition(message, reason));
    if (this.#ack?.isIssued) this.#interruption ??= end;
    else end();
  }

  #settleUnhandled(message: Message): void {
    const { unhandled } = this.#environment.settings;
    const error = new Error(
      `cannot handle the message: no slot is connected for messages of type ${preview(message.type)}`,
    );
    if (unhandled === 'ignore') this.#decide(() => ({ outcome: 'finished', message, durationMs: 0 }));
    else if (unhandled === 'release') this.#retry(message, 'unhandled', error);
    else this.#fail(message, 'unhandled', error);
  }

  #fail(message: Message | undefined, reason: FailureReason, error: unknown): void {
    this.#decide(() => this.#onceTracked(() => ({ outcome: 'failed', message, reason, error })));
  }

  #retry(message: Message, reason: FailureReason, error: unknown): void {
    this.#decide(() => this.#onceTracked(() => this.#failed(message, reason, error)));
  }

  #failed(message: Message, reason: FailureReason, error: unknown): Disposition | Promise<Disposition> {
    return dispositionOfFailure({ message, reason, error, attempt: this.#attempt }, this.#environment);
  }

  /** Finds out the attempt before it decides. The lease is renewed meanwhile. */
  async #onceTracked(disposition: () => Disposition | Promise<Disposition>): Promise<Disposition> {
    try {
      if (this.#attempt === undefined) await this.#reserved.track?.();
      this.#attempt = this.#reserved.attempt;
    } catch (error) {
      if (isA(LeaseLostError, error)) return { outcome: 'lost', message: this.#message };
      this.#environment.onError(error);
    }
    return disposition();
  }

  /** The first decision counts. */
  #decide(disposition: () => Disposition | Promise<Disposition>): void {
    if (this.#isDecided) return;
    this.#end();
    const decided = disposition();
    if (decided instanceof Promise) this.#resolve(decided.finally(() => this.#lease?.stop()));
    else {
      this.#lease?.stop();
      this.#resolve(decided);
    }
  }

  #end(): void {
    this.#isDecided = true;
    this.#endedAt = performance.now();
    if (this.#timeout) this.#environment.timer.cancel(this.#timeout);
  }

  /** @internal */
  watchLease(): void {
    this.#lease?.watch();
  }

  /** @internal */
  touch(): Promise<void> {
    return this.#environment.consumer.touch(this.#reserved);
  }

  /** @internal */
  async finish(options: { readonly transaction: Transaction }): Promise<void> {
    const transaction = checkFinish(options);
    this.#checkFinish();
    this.#ack ??= new TransactionalAck(this.#reserved, this.#environment.consumer);
    this.#lease?.stop();
    try {
      await this.#ack.issue(transaction);
    } finally {
      if (!this.#ack.isIssued && !this.#isDecided) this.#goOn();
    }
  }

  /** @internal */
  async transaction<T>(work: (transaction: TransactionClient) => Promise<T> | T): Promise<T> {
    this.#checkFinish();
    const { driver } = this.#environment.queue;
    if (driver.transaction === undefined) throw cannotTransact(driver.system);
    return driver.transaction(async (transaction) => {
      const result = await work(transaction);
      await this.finish({ transaction });
      return result;
    });
  }

  /** Continues as before `finish`, which has failed. */
  #goOn(): void {
    this.#keepLease(performance.now());
    this.#lease?.watch();
    this.#interruption?.();
  }

  /** @throws UnsupportedError, InvalidOptionError, LeaseLostError */
  #checkFinish(): void {
    const { capabilities, queue } = this.#environment;
    if (!capabilities.transactions) throw cannotTransact(queue.driver.system);
    if (this.#isDecided) throw new LeaseLostError('cannot finish the message: its delivery has ended');
    if (this.#call?.mayFinish) return;
    throw new InvalidOptionError(
      'cannot finish the message in a transaction: several slots are connected for it, or its slot was not called yet; call finish in its only slot, or in a middleware after next()',
    );
  }
}

/** Interrupts slots that still run although the middleware around them has failed. */
function abandon(running: Promise<void>, context: DeliveryContext, cause: unknown): void {
  running.catch(() => {
    // The message has failed already.
  });
  context.abort(new Error('cannot finish the message: a middleware has failed', { cause }));
}

/** The disposition of a message that was interrupted: it is released at once. */
function givenBack(message: Message, error: Error, counted: boolean): Disposition {
  return {
    outcome: 'released',
    message,
    delayMs: 0,
    error,
    counted,
    reason: undefined,
    pauseQueue: false,
    isRetry: false,
  };
}

function cannotTransact(system: string): UnsupportedError {
  return new UnsupportedError(`cannot finish a message in a transaction: ${system} has none`);
}
