/**
 * Gives error classes their names, by the keys of `classes`: a minifier renames a class, but not a property. They stand on the
 * prototypes, as those of the language's own errors do, so that stacks begin with them.
 */
export function nameErrors(classes: Readonly<Record<string, { readonly prototype: Error }>>): void {
  for (const [name, { prototype }] of Object.entries(classes)) {
    Object.defineProperty(prototype, 'name', { value: name, writable: true, configurable: true });
  }
}

/** The base class of several errors, typed so that the compiler knows of an `instanceof` that it is one of them. */
export type ErrorBase<Errors extends Error> = (abstract new (
  ...args: never[]
) => Errors) & { readonly prototype: Errors };
