import { expect } from 'chai';

/** Asserts that the promise rejects with an error of that class, and answers the error. */
export async function rejects<E extends Error>(
  promise: Promise<unknown>,
  errorClass: new (...args: never[]) => E,
): Promise<E> {
  const outcome = await promise.then(
    (value) => `resolved with ${String(value)}`,
    (error: unknown) => error,
  );
  expect(outcome).to.be.instanceOf(errorClass);
  return outcome as E;
}
