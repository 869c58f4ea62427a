import { BeanstalkdError } from './errors.js';

/**
 * Adds the stack of the caller to the errors of `answer`. Their own stacks show only the code that reads replies, or a
 * timer. Must be called before the first `await`.
 */
export function withCallerStack<T>(answer: Promise<T>): Promise<T> {
  const caller: { stack?: string } = {};
  Error.captureStackTrace(caller, withCallerStack);
  return answer.catch((error: unknown) => {
    if (error instanceof BeanstalkdError) showCaller(error, caller.stack ?? '');
    throw error;
  });
}

function showCaller(error: Error, caller: string): void {
  const frames = framesOf(caller);
  if (frames !== '') error.stack = `${error.name}: ${error.message}${frames}`;
}

/** The frames of a stack, each on its own line, without the message. */
function framesOf(stack: string): string {
  const start = stack.indexOf('\n    at ');
  return start < 0 ? '' : stack.slice(start);
}
