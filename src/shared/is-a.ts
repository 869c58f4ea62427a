/** `instanceof` for any thrown value. Some objects throw when `instanceof` examines them. */
export function isA<E extends Error>(type: abstract new (...args: never[]) => E, value: unknown): value is E {
  try {
    return value instanceof type;
  } catch {
    return false;
  }
}
