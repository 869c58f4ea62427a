import { DEFAULT_URL } from './global-options.js';

export const ABOUT: string =
  'Defers work: publish a message now, and a worker hands it to the slots (functions) that your modules connected ' +
  'to its type. Which engine keeps the messages is one URL.';

export const MORE: string = `
Engines:
  ${DEFAULT_URL.padEnd(28)}  the default: a file, and no server
  beanstalkd://127.0.0.1:11300  a beanstalkd server; with TLS beanstalkds://,
${' '.repeat(32)}by its socket beanstalkd+unix:///path
  Each takes ?prefix=staging- where several installations share an engine.

Environment:
  HARICOT_URL                   the engine, where --url does not name one
  NO_COLOR=1, FORCE_COLOR=1     no colours, or colours even where no terminal is
  DEBUG=haricot:*               what happens inside; never the data of a message

Example, in two terminals:
  haricot work mail --slots ./slots.js
  haricot publish mail mail.send '{"to":"a@b.example"}'

Exit code: 0 done, 1 failed, 2 wrong usage.
haricot <command> --help tells the rest.`;
