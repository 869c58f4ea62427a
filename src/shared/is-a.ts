/**
 * `instanceof` for any thrown value. Some objects throw when `instanceof` examines them. Errors of another copy of this package,
 * which a module with slots may import, are recognised by the names that `nameErrors` gave to their prototypes.
 */
export function isA<E extends Error>(type: abstract new (...args: never[]) => E, value: unknown): value is E {
  try {
    return value instanceof type || (value instanceof Error && isNamedAs(type.prototype, value));
  } catch {
    return false;
  }
}

function isNamedAs(prototype: Error, error: Error): boolean {
  if (!Object.hasOwn(prototype, 'name')) return false;
  for (let each: unknown = error; each instanceof Error; each = Object.getPrototypeOf(each)) {
    if (Object.hasOwn(each, 'name') && each.name === prototype.name) return true;
  }
  return false;
}
