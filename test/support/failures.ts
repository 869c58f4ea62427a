import { expect } from 'chai';
import type { Failure } from '../../src/queue/failure.js';
import type { FakeMessage } from './fake-driver.js';

type Class<E> = abstract new (...args: never[]) => E;

/** The error `promise` rejects with, which must be of `type`. */
export async function rejection<E extends Error>(promise: Promise<unknown>, type: Class<E>): Promise<E> {
  const error = await promise.then(
    (value) => expect.fail(`resolved with ${String(value).slice(0, 200)}`),
    (reason: unknown) => reason,
  );
  expect(error).to.be.instanceOf(type);
  return error as E;
}

/** The error `action` throws, which must be of `type`. */
export function thrown<E extends Error>(action: () => unknown, type: Class<E>): E {
  let result: unknown;
  try {
    result = action();
  } catch (error) {
    expect(error).to.be.instanceOf(type);
    return error as E;
  }
  return expect.fail(`returned ${String(result).slice(0, 200)}`);
}

/** The failure with which a message was released or buried. */
export function failureOf({ settlement }: FakeMessage): Failure | undefined {
  return settlement?.[1]?.['failure'] as Failure | undefined;
}
