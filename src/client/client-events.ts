import type { AnyBeanstalkdError } from './errors.js';

/** What a client emits. */
export interface ClientEvents {
  /** The connection is back, tubes in use and watched as before. */
  connect: [];
  /** The connection is lost. */
  disconnect: [error: AnyBeanstalkdError];
  /** It is tried again after the delay. */
  reconnecting: [event: { readonly attempt: number; readonly delayMs: number }];
  /** The client is done: a ClosedError after `quit()` and `destroy()`, otherwise why it gave up. */
  close: [reason: AnyBeanstalkdError];
}
