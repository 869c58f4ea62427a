import { nameErrors } from '../shared/error-names.js';

/** Every code a {@link HaricotError} can carry. */
export type HaricotErrorCode =
  | 'INVALID_OPTION'
  | 'SCHEMA'
  | 'ENCODE'
  | 'DECODE'
  | 'LEASE_LOST'
  | 'UNSUPPORTED'
  | 'SLOT_TIMEOUT'
  | 'MIDDLEWARE'
  | 'UNRECOVERABLE'
  | 'RETRY_LATER'
  | 'ENGINE'
  | 'CLOSED';

/** What all errors of the framework are. */
export abstract class BaseError extends Error {
  /** Identifies the class of the error. */
  abstract readonly code: HaricotErrorCode;
}

/** An invalid option, name or address. Nothing was done. */
export class InvalidOptionError extends BaseError {
  readonly code = 'INVALID_OPTION';
}

nameErrors({ HaricotError: BaseError, InvalidOptionError });
