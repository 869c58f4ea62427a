// To be removed with the last import of it.
export { checkBoolean, checkInteger, checkOneOf, checkOptions, checkSignal, type OptionNames } from './checks.js';
