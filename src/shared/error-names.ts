/**
 * Sets the names of error classes to the keys of `classes`. A minifier renames classes, but not properties. The names
 * are set on the prototypes, as those of the built-in errors are, so that stacks begin with them.
 */
export function nameErrors(classes: Readonly<Record<string, { readonly prototype: Error }>>): void {
  for (const [name, { prototype }] of Object.entries(classes)) {
    Object.defineProperty(prototype, 'name', { value: name, writable: true, configurable: true });
  }
}

/** The type of a base class whose `instanceof` narrows to the union of its subclasses. */
export type ErrorBase<Errors extends Error> = (abstract new (
  ...args: never[]
) => Errors) & { readonly prototype: Errors };
