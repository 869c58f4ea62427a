import type { MessageState } from '../../queue/capabilities.js';
import type { ListOptions, MessagePage, QueueStats, Selection, StoredMessage } from '../../queue/driver.js';
import { runOutside } from '../../shared/async-context.js';
import { LONGEST_TIMER_MS } from '../../shared/deadline.js';
import { Heap } from './heap.js';
import { cursorOf, dateOf, type Holder, type Message, moreUrgent, placeOf, showMessage, sooner } from './message.js';

/** A reserve that waits. Given a message, it must leave the queue. */
export type Waiting = (message: Message, queue: MemoryQueue) => void;

/** A timer that fires this much later than it was set for says that the event loop was blocked. */
const LATENESS_MS = 5;

/** How long renewals may take that a blocked event loop has held up: they are timers themselves. */
const RENEWAL_MS = 5;

/** The messages of one queue, by state, and the reserves that wait for them. */
export class MemoryQueue {
  /** With the prefix of its installation. */
  readonly name: string;
  /** Consumers that look here. */
  users = 0;
  readonly #messages = new Map<string, Message>();
  readonly #states: Readonly<Record<MessageState, Heap<Message>>> = {
    ready: new Heap<Message>(moreUrgent),
    delayed: new Heap<Message>(sooner),
    reserved: new Heap<Message>(sooner),
    buried: new Heap<Message>(sooner),
  };
  /** The ready message that has been so for the longest time, while it is known. */
  #oldestReady: Message | undefined;
  #burials = 0;
  readonly #waiting = new Set<Waiting>();
  #pausedUntil = 0;
  /** For the next delay, lease or pause that ends; it may fire too early, when that has been settled before. */
  #timer: NodeJS.Timeout | undefined;
  #timerAt = 0;
  /** Takes back the leases that are over, a moment after the timer. */
  #leaseImmediate: NodeJS.Immediate | undefined;
  /** Before that immediate, where the event loop was blocked. */
  #leaseTimer: NodeJS.Timeout | undefined;

  constructor(name: string) {
    this.name = name;
  }

  get isEmpty(): boolean {
    return this.#messages.size === 0;
  }

  /** Whether nobody would notice if it were gone. */
  get isIdle(): boolean {
    return this.isEmpty && this.users === 0 && !this.isPaused;
  }

  get isPaused(): boolean {
    return this.#pausedUntil > performance.now();
  }

  /** Stores messages that have just been made. */
  put(messages: readonly Message[], now: number): void {
    this.#change(() => {
      for (const message of messages) {
        this.#messages.set(message.id, message);
        this.#states[message.state].push(message);
      }
    }, now);
  }

  /** The next message, leased to whoever becomes its holder. */
  take(now: number): Message | undefined {
    return this.#change(() => this.#lease(now), now);
  }

  /** Hands the next message that can be delivered to this reserve, in its turn. */
  wait(waiting: Waiting): void {
    this.#change(() => this.#waiting.add(waiting));
  }

  stopWaiting(waiting: Waiting): void {
    this.#waiting.delete(waiting);
    if (this.#waiting.size === 0) this.#timer?.unref();
  }

  remove(message: Message): void {
    this.#change(() => this.#remove(message));
  }

  release(message: Message, priority: number, delayMs: number): void {
    this.#change((now) => {
      this.#leave(message);
      message.priority = priority;
      this.#makeReady(message, now, delayMs);
    });
  }

  bury(message: Message, priority: number): void {
    this.#change(() => {
      this.#leave(message);
      message.priority = priority;
      this.#enter('buried', message, this.#burials++);
    });
  }

  touch(message: Message): void {
    this.#change((now) => {
      const { holder } = message;
      this.#leave(message);
      message.holder = holder;
      this.#startLease(message, now);
    });
  }

  /** @param queue its name as the user knows it */
  list({ state, limit, after }: ListOptions, queue: string): MessagePage {
    this.#change(() => {});
    const heap = this.#states[state];
    const before = state === 'ready' ? moreUrgent : sooner;
    const place = after === undefined ? undefined : placeOf(after);
    const isBehind = place && ((message: Message) => before(place, message));
    const found = heap.first(limit + 1, isBehind);
    const page = found.slice(0, limit);
    const last = page.at(-1);
    return {
      messages: page.map((message) => showMessage(message, queue)),
      next: last && found.length > limit ? cursorOf(last) : undefined,
    };
  }

  find(id: string, queue: string): StoredMessage | null {
    this.#change(() => {});
    const message = this.#messages.get(id);
    return message ? showMessage(message, queue) : null;
  }

  /** @param body replaces that of each */
  retry(selection: Selection, body?: Buffer): number {
    return this.#change((now) => {
      const retried = this.#select('buried', selection);
      for (const message of retried) {
        this.#leave(message);
        message.attempt = 0;
        message.failure = undefined;
        if (body) message.body = body;
        this.#makeReady(message, now, 0);
      }
      return retried.length;
    });
  }

  promote(selection: Selection): number {
    return this.#change((now) => {
      const promoted = this.#select('delayed', selection);
      for (const message of promoted) {
        this.#leave(message);
        this.#makeReady(message, now, 0);
      }
      return promoted.length;
    });
  }

  delete(ids: readonly string[]): number {
    return this.#withdraw(() => this.#withIds(ids), 'it was deleted').length;
  }

  /** Takes out messages that are to go elsewhere: none that is reserved. */
  moveOut(ids: readonly string[]): readonly Message[] {
    const find = (): Message[] => this.#withIds(ids).filter(({ state }) => state !== 'reserved');
    return this.#withdraw(find, 'it was moved to another queue');
  }

  stats(): QueueStats {
    const now = this.#change((time) => time);
    const pausedMs = this.#pausedUntil - now;
    const oldest = this.#findOldestReady();
    return {
      pausedUntil: pausedMs > 0 ? dateOf(pausedMs) : null,
      oldestReadyMs: oldest ? now - oldest.stateTime : null,
      ready: this.#states.ready.size,
      delayed: this.#states.delayed.size,
      reserved: this.#states.reserved.size,
      buried: this.#states.buried.size,
    };
  }

  pause(ms: number): void {
    this.#change((now) => {
      this.#pausedUntil = now + ms;
    });
  }

  flush(states: readonly MessageState[]): number {
    // From the end of each heap, where taking one out moves no other.
    const find = (): Message[] => [...new Set(states)].flatMap((state) => [...this.#states[state].items].reverse());
    return this.#withdraw(find, 'the queue was flushed').length;
  }

  /** Forgets what is to come: nobody uses the queue any more. */
  stop(): void {
    this.#stopTimer();
    clearImmediate(this.#leaseImmediate);
    clearTimeout(this.#leaseTimer);
    this.#leaseImmediate = undefined;
    this.#leaseTimer = undefined;
  }

  /** Does something between what was due before it and what it brings about. */
  #change<T>(action: (now: number) => T, now: number = performance.now()): T {
    this.#catchUp(now);
    const result = action(now);
    this.#feed(now);
    this.#schedule(now);
    return result;
  }

  /** Delays that have ended, though their timer may not have fired: the process was busy. */
  #catchUp(now: number): void {
    const { delayed } = this.#states;
    for (let due = delayed.top; due !== undefined && due.stateTime <= now; due = delayed.top) {
      delayed.remove(due);
      this.#enter('ready', due, due.stateTime);
    }
  }

  /** Makes messages ready whose lease is over. Until somebody takes one, its holder may still settle it. */
  #endLeases(): void {
    this.#leaseImmediate = undefined;
    this.#change((now) => {
      const { reserved } = this.#states;
      for (let due = reserved.top; due !== undefined && due.stateTime <= now; due = reserved.top) {
        reserved.remove(due);
        this.#enter('ready', due, now);
      }
    });
  }

  #feed(now: number): void {
    for (const waiting of this.#waiting) {
      const message = this.#lease(now);
      if (message === undefined) return;
      waiting(message, this);
    }
  }

  #lease(now: number): Message | undefined {
    if (this.#pausedUntil > now) return undefined;
    const message = this.#states.ready.pop();
    if (message === undefined) return undefined;
    if (message === this.#oldestReady) this.#oldestReady = undefined;
    message.attempt++;
    this.#startLease(message, now);
    this.#takeFromHolder(message, 'its lease had ended');
    return message;
  }

  /** One whose lease is over may have kept it so far. */
  #takeFromHolder(message: Message, why: string): void {
    const { holder } = message;
    message.holder = undefined;
    holder?.lose(why);
  }

  #startLease(message: Message, now: number): void {
    this.#enter('reserved', message, now + message.ttrMs);
  }

  #makeReady(message: Message, now: number, delayMs: number): void {
    this.#enter(delayMs > 0 ? 'delayed' : 'ready', message, now + delayMs);
  }

  #enter(state: MessageState, message: Message, time: number): void {
    message.state = state;
    message.stateTime = time;
    this.#states[state].push(message);
  }

  /** Takes a message out of the state it is in. */
  #leave(message: Message): void {
    message.holder = undefined;
    if (message === this.#oldestReady) this.#oldestReady = undefined;
    this.#states[message.state].remove(message);
  }

  #remove(message: Message): void {
    this.#leave(message);
    this.#messages.delete(message.id);
  }

  /** Removes what is found, and then tells those who hold it. */
  #withdraw(find: () => readonly Message[], why: string): readonly Message[] {
    const holders: Holder[] = [];
    const found = this.#change(() => {
      const messages = find();
      for (const message of messages) {
        if (message.holder) holders.push(message.holder);
        this.#remove(message);
      }
      return messages;
    });
    for (const holder of holders) holder.lose(why);
    return found;
  }

  /** Each once, in the order of the ids. */
  #withIds(ids: readonly string[]): Message[] {
    return [...new Set(ids)].flatMap((id) => this.#messages.get(id) ?? []);
  }

  #select(state: MessageState, selection: Selection): Message[] {
    if (!('ids' in selection)) return this.#states[state].first(selection.limit);
    return this.#withIds(selection.ids).filter((message) => message.state === state);
  }

  #findOldestReady(): Message | undefined {
    // What becomes ready later is younger, so the one that was found stays the oldest until it leaves.
    this.#oldestReady ??= this.#states.ready.items.reduce<Message | undefined>(
      (oldest, message) => (oldest && oldest.stateTime <= message.stateTime ? oldest : message),
      undefined,
    );
    return this.#oldestReady;
  }

  #schedule(now: number): void {
    const next = this.#nextEnd(now);
    const isWaited = this.#waiting.size > 0;
    // One that strikes for nothing does no harm, and a new one at every step would cost. Only those who wait must not keep
    // the process alive for nothing.
    const isRight = next === undefined ? !isWaited : this.#timer !== undefined && this.#timerAt <= next;
    if (!isRight) {
      this.#stopTimer();
      if (next !== undefined) this.#start(next, now);
    }
    // Nor need a process live to see what nobody waits for.
    if (isWaited) this.#timer?.ref();
    else this.#timer?.unref();
  }

  #start(end: number, now: number): void {
    this.#timerAt = end;
    this.#timer = runOutside(() => setTimeout(() => this.#onTimer(), Math.min(Math.ceil(end - now), LONGEST_TIMER_MS)));
  }

  #onTimer(): void {
    this.#timer = undefined;
    const now = performance.now();
    if (!this.#isEndingLeases && (this.#states.reserved.top?.stateTime ?? Number.POSITIVE_INFINITY) <= now) {
      // What was to be done meanwhile is done first: a settlement or renewal that a blocked event loop has held up.
      if (now - this.#timerAt > LATENESS_MS) this.#leaseTimer = setTimeout(() => this.#endLeasesSoon(), RENEWAL_MS);
      else this.#endLeasesSoon();
    }
    this.#change(() => {});
  }

  get #isEndingLeases(): boolean {
    return this.#leaseImmediate !== undefined || this.#leaseTimer !== undefined;
  }

  #endLeasesSoon(): void {
    this.#leaseTimer = undefined;
    this.#leaseImmediate = setImmediate(() => this.#endLeases());
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #nextEnd(now: number): number | undefined {
    const leases = this.#isEndingLeases ? undefined : this.#states.reserved.top;
    const ends = Math.min(
      this.#states.delayed.top?.stateTime ?? Number.POSITIVE_INFINITY,
      leases?.stateTime ?? Number.POSITIVE_INFINITY,
      this.#pausedUntil > now ? this.#pausedUntil : Number.POSITIVE_INFINITY,
    );
    return ends === Number.POSITIVE_INFINITY ? undefined : ends;
  }
}
