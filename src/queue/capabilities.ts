/** The states a message can be in. */
export type MessageState = 'ready' | 'delayed' | 'reserved' | 'buried';

/** How much of a state can be listed: every message, the next one only, or nothing. */
export type ListCapability = 'any' | 'first' | 'none';

/**
 * What an engine does beyond the contract, or less well than the contract allows at best. Each names exactly what the
 * conformance suite leaves out; asking for what an engine cannot do throws UnsupportedError. One that is missing means its
 * first value below: the strictest.
 */
export interface Capabilities {
  /** `'exact'`: messages are ordered by all 2³² priorities. A number: by so many bands of them. */
  readonly priorities?: 'exact' | number | undefined;
  /** Whether each message has a TTR of its own, or all messages of a queue have the same. */
  readonly ttr?: 'message' | 'queue' | undefined;
  /** How much of each state `list` shows. A state that is missing means `'any'`. */
  readonly list?: Readonly<Partial<Record<MessageState, ListCapability>>> | undefined;
  /** Whether `stats` counts, or estimates where there are many. */
  readonly counts?: 'exact' | 'estimate' | undefined;
  /** Whether the failure of a message is kept with it: of released and buried ones, of buried ones only, or not at all. */
  readonly failures?: 'kept' | 'buried' | 'none' | undefined;
  /** `put` and `ack` take a `transaction` of the user; `transaction` begins one. */
  readonly transactions?: boolean | undefined;
  /** One `put` of several messages stores all or none of them, up to a size that the engine documents. */
  readonly atomicPublish?: boolean | undefined;
  /** Several processes can work on the same messages. */
  readonly shared?: boolean | undefined;
  /** What a process held is delivered to others as soon as its connection is lost, before the lease ends. */
  readonly returnsOnDisconnect?: boolean | undefined;
  /** A release with `counted: false` takes its delivery back: the next one has the same attempt. */
  readonly uncountedRelease?: boolean | undefined;
  /** A buried message that is retried comes before ready messages that were put later. */
  readonly retryKeepsPlace?: boolean | undefined;
  /** A reserved message can be deleted: its holder's `lost` aborts, at the latest when it renews the lease. */
  readonly deleteReserved?: boolean | undefined;
  /** Whether a second message with the same `deduplicationKey` is left out: while the first is there, for a time, or never. */
  readonly deduplication?: 'whilePending' | 'window' | 'none' | undefined;
  /** Messages of one `group` are delivered one after another. */
  readonly groups?: boolean | undefined;
  /** A message is dropped at its `expiresAt` unless it was delivered before. */
  readonly expiry?: boolean | undefined;
}

/** Capabilities with nothing left out. */
export type ResolvedCapabilities = {
  readonly [Name in keyof Capabilities]-?: Name extends 'list'
    ? Readonly<Record<MessageState, ListCapability>>
    : Exclude<Capabilities[Name], undefined>;
};

const STRICTEST: ResolvedCapabilities = {
  priorities: 'exact',
  ttr: 'message',
  list: { ready: 'any', delayed: 'any', reserved: 'any', buried: 'any' },
  counts: 'exact',
  failures: 'kept',
  transactions: true,
  atomicPublish: true,
  shared: true,
  returnsOnDisconnect: true,
  uncountedRelease: true,
  retryKeepsPlace: true,
  deleteReserved: true,
  deduplication: 'whilePending',
  groups: true,
  expiry: true,
};

/** Fills in what a driver left out: what it does not deny, it is held to. */
export function resolveCapabilities(capabilities: Capabilities): ResolvedCapabilities {
  const given = Object.fromEntries(Object.entries(capabilities).filter(([, value]) => value !== undefined));
  return { ...STRICTEST, ...given, list: { ...STRICTEST.list, ...capabilities.list } };
}
