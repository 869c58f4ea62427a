// All that shop and shipping share: where messages go, and what they are called. What is in them is said here for people;
// each context checks with a schema of its own what it writes and what it reads.

/** A CloudEvent whose data is `{ order: number, customer: string, address: string }`. */
export const SHIPMENTS = { queue: 'shipments', type: 'shop.shipment-ordered' } as const;

/** Bare JSON, because the scanner that scans parcels knows no more: `{ "order": number, "tracking": string }`. */
export const PARCELS = { queue: 'parcels', type: 'shipping.parcel-sent' } as const;
