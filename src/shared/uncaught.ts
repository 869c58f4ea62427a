/** Throws `error` where no code of ours is on the stack: it is uncaught, as an error of a listener is. */
export function throwUncaught(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}
