import type { Driver } from '../queue/driver.js';
import type { Queue, QueueOptions } from '../queue/queue.js';
import type { SignalDispatcher } from '../signals/dispatcher.js';

/** What `haricot work` gives to a slots module besides the signals. */
export interface SlotsApp {
  /** The engine of the worker. It is closed after what the module has returned has ended. */
  readonly driver: Driver;
  /**
   * A queue on the engine, to publish to: the same one each time, unless options are given.
   * @param options come before those of the command, and those before the module's `queues`. `signals` are the worker's
   * by default
   * @throws InvalidOptionError
   */
  queue(name: string, options?: QueueOptions): Queue;
}

/**
 * The default export of a slots module: connects slots to the signals.
 * @returns nothing, or what is called when the worker has stopped and before the engine is closed. It has as long as `--grace`
 * @example
 * import { type ConnectSlots, json, type QueueOptions } from 'haricot';
 *
 * const connect: ConnectSlots = (signals, app) => {
 *   const database = new Database(process.env['DATABASE_URL']);
 *   signals.connect(OrderPlaced, (message) => app.queue('mail').publish(SendMail, receiptOf(message.data)));
 *   return () => database.close();
 * };
 * export default connect;
 *
 * // Options of queues, by their names, as `--codec` and `--type` give them to all.
 * export const queues: Record<string, QueueOptions> = { orders: { codec: json, type: 'order.placed' } };
 */
export type ConnectSlots = (signals: SignalDispatcher, app: SlotsApp) => SlotsEnd | Promise<SlotsEnd>;

/** What a slots module returns. */
// biome-ignore lint/suspicious/noConfusingVoidType: a function without a return statement is one
export type SlotsEnd = void | null | (() => unknown);
