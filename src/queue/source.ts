import { preview } from '../shared/text.js';
import { InvalidOptionError } from './errors.js';

// RFC 3986: a scheme, or a first segment without a colon; perhaps an IPv6 host in brackets; a fragment at most.
const CHARACTER = "(?:[A-Za-z0-9\\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})";
const USER_CHARACTER = "(?:[A-Za-z0-9\\-._~!$&'()*+,;=:]|%[0-9A-Fa-f]{2})";
const URI_REFERENCE = new RegExp(
  `^(?:[A-Za-z][A-Za-z0-9+.-]*:|(?![^/?#]*:))(?://(?:${USER_CHARACTER}*@)?\\[([0-9A-Fa-f:.]+)\\](?=(?::[0-9]*)?(?:[/?#]|$)))?${CHARACTER}*(?:#${CHARACTER}*)?$`,
);

/** @throws InvalidOptionError */
export function checkSource(source: string): string {
  const [reference, address] = (typeof source === 'string' && URI_REFERENCE.exec(source)) || [];
  if (reference && (address === undefined || isIPv6(address))) return source;
  throw new InvalidOptionError(
    `a source must be a URI reference such as "https://shop.example/orders" or "/orders", got ${preview(source)}`,
  );
}

/** Not by `node:net`: it is slow to load, and not every engine has a network. */
function isIPv6(address: string): boolean {
  return URL.canParse(`http://[${address}]`);
}
