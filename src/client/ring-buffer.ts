const INITIAL_CAPACITY = 16;

/** A ring of this capacity or less never shrinks, so that a steady stream of a thousand items at a time allocates nothing. */
const KEPT_CAPACITY = 1024;

/**
 * A first-in, first-out queue whose operations take constant time. The ring doubles its capacity when it is full and halves it when
 * three quarters are free, so that a burst keeps no memory.
 */
export class RingBuffer<T> {
  #items: (T | undefined)[] = new Array(INITIAL_CAPACITY).fill(undefined);
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(item: T): void {
    if (this.#size === this.#items.length) this.#resize(this.#size * 2);
    this.#items[(this.#head + this.#size) & (this.#items.length - 1)] = item;
    this.#size++;
  }

  shift(): T | undefined {
    if (this.#size === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    const capacity = this.#items.length;
    this.#head = (this.#head + 1) & (capacity - 1);
    this.#size--;
    if (capacity > KEPT_CAPACITY && this.#size <= capacity / 4) this.#resize(capacity / 2);
    return item;
  }

  peek(): T | undefined {
    return this.#items[this.#head];
  }

  /** The oldest item that `matches`. */
  find(matches: (item: T) => boolean): T | undefined {
    for (let at = 0; at < this.#size; at++) {
      const item = this.#items[(this.#head + at) & (this.#items.length - 1)];
      if (item !== undefined && matches(item)) return item;
    }
    return undefined;
  }

  #resize(capacity: number): void {
    const end = this.#head + this.#size;
    const wrapped = Math.max(0, end - this.#items.length);
    const inOrder = [...this.#items.slice(this.#head, end), ...this.#items.slice(0, wrapped)];
    this.#items = [...inOrder, ...new Array<undefined>(capacity - this.#size).fill(undefined)];
    this.#head = 0;
  }
}
