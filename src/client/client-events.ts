import type { AnyBeanstalkdError } from './errors.js';

/** The events of a {@link Client}, with their arguments. */
export interface ClientEvents {
  /** The client has reconnected; it uses and watches the same tubes as before. */
  connect: [];
  /** The connection was lost, with the reason. */
  disconnect: [error: AnyBeanstalkdError];
  /** The client attempts to reconnect after the delay. */
  reconnecting: [event: { readonly attempt: number; readonly delayMs: number }];
  /**
   * The client has closed: with a ClosedError after `quit()` and `destroy()`, otherwise with the reason why it gave up.
   */
  close: [reason: AnyBeanstalkdError];
}
