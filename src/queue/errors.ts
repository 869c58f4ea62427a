/** Every code a {@link HaricotError} can carry. */
export type HaricotErrorCode =
  | 'INVALID_OPTION'
  | 'SCHEMA'
  | 'ENCODE'
  | 'DECODE'
  | 'LEASE_LOST'
  | 'UNSUPPORTED'
  | 'SLOT_TIMEOUT'
  | 'CLOSED';

/** The base of every error of the framework; those of an engine come through as they are. */
export abstract class HaricotError extends Error {
  abstract readonly code: HaricotErrorCode;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** An option, name or address that cannot be meant. Nothing was done. */
export class InvalidOptionError extends HaricotError {
  readonly code = 'INVALID_OPTION';
}

/** What a schema found wrong with a message's data. */
export interface SchemaIssue {
  readonly message: string;
  /** Where in the data, such as `items.0.price`; empty for the data as a whole. */
  readonly path: string;
}

/** The data of a message does not fit its schema. */
export class SchemaError extends HaricotError {
  readonly code = 'SCHEMA';
  readonly type: string;
  readonly issues: readonly SchemaIssue[];

  constructor(type: string, issues: readonly SchemaIssue[]) {
    const found = issues.map(({ path, message }) => (path ? `${path}: ${message}` : message)).join('; ');
    super(`the data of a "${type}" message does not fit its schema: ${found}`);
    this.type = type;
    this.issues = issues;
  }
}

/** A message that the codec cannot write: data that JSON does not know, for example. Nothing was published. */
export class EncodeError extends HaricotError {
  readonly code = 'ENCODE';
}

/** A body that the codec cannot read as a message. */
export class DecodeError extends HaricotError {
  readonly code = 'DECODE';
}

/** The reservation is over: its lease ended, its holder was cut off, or it was settled before. Nothing was changed. */
export class LeaseLostError extends HaricotError {
  readonly code = 'LEASE_LOST';
}

/** The engine cannot do this; its `capabilities` say so. */
export class UnsupportedError extends HaricotError {
  readonly code = 'UNSUPPORTED';
}

/** A slot ran longer than `slotTimeout`. */
export class SlotTimeoutError extends HaricotError {
  readonly code = 'SLOT_TIMEOUT';
}

/** The driver or consumer was closed. */
export class DriverClosedError extends HaricotError {
  readonly code = 'CLOSED';
}
