/** Frames that are looked at: a slot may call deeply. */
const MOST_FRAMES = 200;

/**
 * Whether the caller runs inside of a function, also behind an `await`: V8 follows promises back to whoever waits for them.
 * An AsyncLocalStorage would know in more cases, for instance behind callbacks, but costs each delivery a microsecond.
 * @param name of the function; it must occur nowhere else
 */
export function isCalledBelow(name: string): boolean {
  const { stackTraceLimit } = Error;
  // Unlike an assignment it does not throw where a program has frozen Error.
  Reflect.set(Error, 'stackTraceLimit', MOST_FRAMES);
  const { stack } = new Error();
  Reflect.set(Error, 'stackTraceLimit', stackTraceLimit);
  return typeof stack === 'string' && stack.includes(name);
}
