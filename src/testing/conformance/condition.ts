import type { ListCapability, MessageState, ResolvedCapabilities } from '../../queue/capabilities.js';
import type { Driver } from '../../queue/driver.js';

/** Every capability by its name, those of `list` by state. */
export type Grades = Omit<ResolvedCapabilities, 'list'> & {
  readonly [State in MessageState as `list.${State}`]: ListCapability;
};

/**
 * The capabilities of which a test says something: those that are named must have the grade, or one of the grades. `method`
 * names one that drivers may leave out, `notSystem` an engine for which the test says nothing, and why.
 */
export type Condition = {
  readonly [Name in keyof Grades]?: Grades[Name] | readonly Grades[Name][];
} & {
  readonly method?: 'move';
  readonly notSystem?: { readonly name: string; readonly because: string };
};

/** Why a test says nothing about the driver, where that is so. */
export function whyPending(
  driver: Driver & { readonly capabilities: ResolvedCapabilities },
  { method, notSystem, ...needed }: Condition,
): string | undefined {
  if (method !== undefined && driver[method] === undefined) return `the driver has no ${method}()`;
  if (notSystem?.name === driver.system) return notSystem.because;
  const grades = gradesOf(driver.capabilities);
  for (const [name, allowed] of Object.entries(needed)) {
    const grade = grades[name as keyof Grades];
    if (![allowed].flat().includes(grade)) return `the capability ${name} is ${grade}`;
  }
  return undefined;
}

function gradesOf({ list, ...others }: ResolvedCapabilities): Grades {
  return {
    ...others,
    'list.ready': list.ready,
    'list.delayed': list.delayed,
    'list.reserved': list.reserved,
    'list.buried': list.buried,
  };
}
