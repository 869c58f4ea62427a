/** First in, first out, at constant cost however many wait: a ring that doubles when it is full. */
export class Fifo<T> {
  #items: (T | undefined)[] = new Array(16).fill(undefined);
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(item: T): void {
    if (this.#size === this.#items.length) this.#grow();
    this.#items[(this.#head + this.#size) & (this.#items.length - 1)] = item;
    this.#size++;
  }

  shift(): T | undefined {
    if (this.#size === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#items.length - 1);
    this.#size--;
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

  #grow(): void {
    const inOrder = [...this.#items.slice(this.#head), ...this.#items.slice(0, this.#head)];
    this.#items = [...inOrder, ...new Array<undefined>(inOrder.length).fill(undefined)];
    this.#head = 0;
  }
}
