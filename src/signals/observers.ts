import { createDebug } from '../debug.js';
import { preview } from '../shared/text.js';
import type { Observer, ObserverSignal, SignalEvents } from './signals.js';

const debug = createDebug('haricot:signals');

interface Connection {
  readonly observer: (event: never) => unknown;
  once: boolean;
  connected: boolean;
}

/** Those who are told of the other signals. */
export class Observers {
  // Lists are replaced, never changed: who is connected while a signal is told is not told of it.
  readonly #connections = new Map<ObserverSignal, readonly Connection[]>();

  /** @returns the function that takes the connection back */
  connect(signal: ObserverSignal, observer: (event: never) => unknown, once: boolean): () => void {
    const connections = this.#connections.get(signal) ?? [];
    const known = connections.find((other) => other.observer === observer);
    if (known !== undefined && !once) known.once = false;
    const connection = known ?? { observer, once, connected: true };
    if (known === undefined) this.#connections.set(signal, [...connections, connection]);
    return () => this.#disconnect(signal, connection);
  }

  /** Never throws and never waits. */
  emit<K extends ObserverSignal>(signal: K, event: SignalEvents[K]): void {
    const connections = this.#connections.get(signal);
    if (connections === undefined) return;
    for (const connection of connections) {
      if (!connection.connected) continue;
      if (connection.once) this.#disconnect(signal, connection);
      this.#tell(signal, connection.observer as Observer<K>, event);
    }
  }

  #tell<K extends ObserverSignal>(signal: K, observer: Observer<K>, event: SignalEvents[K]): void {
    try {
      const result = observer(event);
      if (typeof result !== 'object' || result === null) return;
      Promise.resolve(result).catch((error: unknown) => this.#report(signal, error));
    } catch (error) {
      this.#report(signal, error);
    }
  }

  #report(signal: ObserverSignal, error: unknown): void {
    debug('an observer of %s failed: %s', signal, textOf(error));
    // An observer of workerError that fails must not be told of its own failure.
    if (signal !== 'workerError') this.emit('workerError', { error });
  }

  #disconnect(signal: ObserverSignal, connection: Connection): void {
    if (!connection.connected) return;
    connection.connected = false;
    const others = (this.#connections.get(signal) ?? []).filter((other) => other !== connection);
    if (others.length === 0) this.#connections.delete(signal);
    else this.#connections.set(signal, others);
  }
}

/** Of whatever was thrown; never throws itself. */
function textOf(error: unknown): string {
  try {
    return error instanceof Error ? `${error.message}` : String(error);
  } catch {
    return preview(error);
  }
}
