import { Client } from '../../client/client.js';
import type { ConsumeOptions, Consumer, Reservation, ReserveOptions } from '../../queue/driver.js';
import { DriverClosedError } from '../../queue/errors.js';
import { Lane, type LaneOptions } from './lane.js';
import { MAX_BODY_BYTES, type Tubes, toSeconds } from './tubes.js';
import { Turns } from './turns.js';

/**
 * Reserves on a connection of its own for each message that is waited for or held: a reserve that waits blocks its
 * connection, and a job can be settled only on the connection that reserved it.
 *
 * A connection is free again as soon as the command that settles its job is on its way, and the one freed last is taken
 * first: a worker that settles one message and reserves the next has both commands in one write.
 */
export class BeanstalkdConsumer implements Consumer {
  readonly #slots: number;
  readonly #laneOptions: LaneOptions;
  readonly #lanes = new Set<Lane>();
  readonly #free: Lane[] = [];
  #isClosed = false;
  onClose: () => void = () => {};

  constructor(
    url: string,
    tubes: Tubes,
    watched: readonly string[],
    slots: number,
    { order = 'fair', trackAttempts = true }: ConsumeOptions = {},
  ) {
    this.#slots = slots;
    this.#laneOptions = {
      connect: (signal) => Client.connect(url, { reconnect: false, maxBodyBytes: MAX_BODY_BYTES, signal }),
      tubes,
      turns: new Turns(watched, order),
      trackAttempts,
      onFree: (lane) => this.#takeBack(lane),
      onEnd: (lane) => this.#lanes.delete(lane),
    };
  }

  async reserve({ timeoutMs, signal }: ReserveOptions = {}): Promise<Reservation | null> {
    signal?.throwIfAborted();
    if (this.#isClosed) throw new DriverClosedError('the consumer is closed');
    const timeout = timeoutMs === undefined ? undefined : toSeconds(timeoutMs);
    return this.#freeLane().reserve(timeout, signal);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const lane of this.#lanes) lane.destroy();
    this.onClose();
  }

  #freeLane(): Lane {
    for (let lane = this.#free.pop(); lane; lane = this.#free.pop()) {
      if (lane.isOpen) return lane;
    }
    const lane = new Lane(this.#laneOptions);
    this.#lanes.add(lane);
    return lane;
  }

  #takeBack(lane: Lane): void {
    if (!lane.isOpen) return;
    if (this.#free.length < this.#slots) this.#free.push(lane);
    else lane.quit();
  }
}
