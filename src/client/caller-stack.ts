import { BeanstalkdError } from './errors.js';

/**
 * Makes the errors of `answer` show who has called: their own stack, of what reads replies and of timers, does not tell. To be
 * called before the first `await`.
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

/** Each on a line of its own, behind the message. */
function framesOf(stack: string): string {
  const start = stack.indexOf('\n    at ');
  return start < 0 ? '' : stack.slice(start);
}
