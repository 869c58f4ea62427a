import type { Command } from 'commander';
import { maskUrl } from '../shared/text.js';

/** Shorter ones would be found in ordinary words. */
const SHORTEST_PASSWORD = 4;

/** A message about a command in the words of the command line: its options as they are typed, and no password. */
export function reword(message: string, command: Command | undefined, urls: readonly string[]): string {
  return withoutPasswords(optionsAsTyped(message, command), urls);
}

/** `slotTimeout must be …` as `--slot-timeout must be …`. */
function optionsAsTyped(message: string, command: Command | undefined): string {
  const [start = '', quoted] = /^`?(\w{1,40})`?(?= )/.exec(message) ?? [];
  const option = command?.options.find((one) =>
    [one.attributeName(), `${one.attributeName()}s`].includes(quoted ?? ''),
  );
  return option?.long ? option.long + message.slice(start.length) : message;
}

/** Whatever part of the URLs an engine has put into its message. */
function withoutPasswords(message: string, urls: readonly string[]): string {
  let masked = message;
  for (const url of urls) {
    masked = masked.replaceAll(url, maskUrl(url));
    for (const password of passwordsIn(url)) masked = masked.replaceAll(password, '***');
  }
  return masked;
}

/** As they stand in the URL, and decoded. */
function passwordsIn(url: string): string[] {
  const start = url.indexOf('//') + 2;
  const at = url.lastIndexOf('@');
  const colon = url.indexOf(':', start);
  if (start === 1 || at < start || colon < 0 || colon > at) return [];
  const password = url.slice(colon + 1, at);
  return [password, decoded(password)].filter(({ length }) => length >= SHORTEST_PASSWORD);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
