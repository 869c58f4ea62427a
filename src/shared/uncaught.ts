/** Throws `error` outside of the current call, so that it is uncaught, like an error of an event listener. */
export function throwUncaught(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}
