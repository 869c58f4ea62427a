/** What a heap keeps. It stands in one heap at most, at this place. */
export interface HeapItem {
  heapIndex: number;
}

/** Items of which the first is at hand: a binary heap that any item can be taken out of. */
export class Heap<T extends HeapItem> {
  readonly #before: (a: T, b: T) => boolean;
  readonly #items: T[] = [];

  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  get top(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    this.#rise(item, this.#items.length);
  }

  pop(): T | undefined {
    const top = this.#items[0];
    if (top !== undefined) this.remove(top);
    return top;
  }

  /** Takes out an item that is in this heap. */
  remove(item: T): void {
    const gap = item.heapIndex;
    const last = this.#items.pop();
    if (last === undefined || last === item) return;
    const parent = this.#items[(gap - 1) >> 1];
    if (gap > 0 && parent !== undefined && this.#before(last, parent)) this.#rise(last, gap);
    else this.#sink(last, gap);
  }

  /** In the order of the heap: each comes after its parent. */
  get items(): readonly T[] {
    return this.#items;
  }

  /**
   * The first `count` in order, without taking them out, of those that are wanted.
   * @param isWanted true for an item and then for all that come after it
   */
  first(count: number, isWanted: (item: T) => boolean = () => true): T[] {
    const found: T[] = [];
    // After an item that has been found come its two children.
    const next = new Heap<{ readonly item: T; heapIndex: number }>((a, b) => this.#before(a.item, b.item));
    const consider = (index: number): void => {
      const item = this.#items[index];
      if (item === undefined) return;
      if (isWanted(item)) next.push({ item, heapIndex: 0 });
      else considerChildren(index);
    };
    const considerChildren = (index: number): void => {
      consider(2 * index + 1);
      consider(2 * index + 2);
    };
    consider(0);
    while (found.length < count) {
      const item = next.pop()?.item;
      if (item === undefined) break;
      found.push(item);
      considerChildren(item.heapIndex);
    }
    return found;
  }

  /** Puts the item in at a gap or above it. */
  #rise(item: T, gap: number): void {
    let index = gap;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = this.#items[above];
      if (parent === undefined || !this.#before(item, parent)) break;
      this.#place(parent, index);
      index = above;
    }
    this.#place(item, index);
  }

  /** Puts the item in at a gap or below it. */
  #sink(item: T, gap: number): void {
    let index = gap;
    for (;;) {
      let below = 2 * index + 1;
      let child = this.#items[below];
      const right = this.#items[below + 1];
      if (child === undefined) break;
      if (right !== undefined && this.#before(right, child)) {
        child = right;
        below++;
      }
      if (!this.#before(child, item)) break;
      this.#place(child, index);
      index = below;
    }
    this.#place(item, index);
  }

  #place(item: T, index: number): void {
    this.#items[index] = item;
    item.heapIndex = index;
  }
}
