import { expect } from 'chai';
import { isAbortSignal, onAbort } from '../../src/shared/abort.js';

describe('onAbort', () => {
  it('calls every listener once when the signal aborts, in order', () => {
    const controller = new AbortController();
    const called: number[] = [];
    for (const number of [1, 2, 3]) onAbort(controller.signal, () => called.push(number));
    controller.abort();
    controller.abort();
    expect(called).to.deep.equal([1, 2, 3]);
  });

  it('calls no listener that was removed, not even by one that was called before it', () => {
    const controller = new AbortController();
    const called: number[] = [];
    onAbort(controller.signal, () => {
      called.push(1);
      removeSecond();
    });
    const removeSecond = onAbort(controller.signal, () => called.push(2));
    const removeThird = onAbort(controller.signal, () => called.push(3));
    removeThird();
    removeThird();
    controller.abort();
    expect(called).to.deep.equal([1]);
  });

  it('accepts the same listener twice', () => {
    const controller = new AbortController();
    let calls = 0;
    const listener = (): void => void calls++;
    const remove = onAbort(controller.signal, listener);
    onAbort(controller.signal, listener);
    remove();
    controller.abort();
    expect(calls).to.equal(1);
  });

  it('adds one listener to the signal for all, and removes it after the last', () => {
    const { signal } = new AbortController();
    let listeners = 0;
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
    signal.addEventListener = ((...args: Parameters<typeof add>) => {
      listeners++;
      add(...args);
    }) as typeof signal.addEventListener;
    signal.removeEventListener = ((...args: Parameters<typeof remove>) => {
      listeners--;
      remove(...args);
    }) as typeof signal.removeEventListener;
    const removals = Array.from({ length: 100 }, () => onAbort(signal, () => {}));
    expect(listeners).to.equal(1);
    for (const removal of removals) removal();
    expect(listeners).to.equal(0);
    onAbort(signal, () => {})();
    expect(listeners).to.equal(0);
  });
});

describe('isAbortSignal', () => {
  it('accepts real signals, and refuses objects that resemble one', () => {
    expect(isAbortSignal(new AbortController().signal)).to.equal(true);
    for (const other of [undefined, null, {}, { aborted: false, addEventListener() {} }, new EventTarget(), 'abort']) {
      expect(isAbortSignal(other)).to.equal(false);
    }
  });
});
