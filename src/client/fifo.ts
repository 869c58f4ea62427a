const FIRST_PLACES = 16;

/** A ring of this size or smaller never shrinks: a steady stream of a thousand at a time finds its places made. */
const KEPT_PLACES = 1024;

/**
 * First in, first out, at constant cost however many wait: a ring that doubles when it is full, and halves when three
 * quarters are free, so that a burst leaves nothing behind.
 */
export class Fifo<T> {
  #items: (T | undefined)[] = new Array(FIRST_PLACES).fill(undefined);
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
    const places = this.#items.length;
    this.#head = (this.#head + 1) & (places - 1);
    this.#size--;
    if (places > KEPT_PLACES && this.#size <= places / 4) this.#resize(places / 2);
    return item;
  }

  peek(): T | undefined {
    return this.#items[this.#head];
  }

  /** The oldest item of which `matches` says so. */
  find(matches: (item: T) => boolean): T | undefined {
    for (let at = 0; at < this.#size; at++) {
      const item = this.#items[(this.#head + at) & (this.#items.length - 1)];
      if (item !== undefined && matches(item)) return item;
    }
    return undefined;
  }

  #resize(places: number): void {
    const end = this.#head + this.#size;
    const around = Math.max(0, end - this.#items.length);
    const inOrder = [...this.#items.slice(this.#head, end), ...this.#items.slice(0, around)];
    this.#items = [...inOrder, ...new Array<undefined>(places - this.#size).fill(undefined)];
    this.#head = 0;
  }
}
