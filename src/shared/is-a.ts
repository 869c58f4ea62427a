/** As `instanceof`, for whatever was thrown: of some objects one cannot even ask. */
export function isA<E extends Error>(type: abstract new (...args: never[]) => E, value: unknown): value is E {
  try {
    return value instanceof type;
  } catch {
    return false;
  }
}
