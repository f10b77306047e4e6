/** `causeway link`: a piece of wide-area network between nodes, which can be cut and healed over HTTP. */
import { once } from 'node:events';
import { createWanLink, serveControl, type WanLink } from '@causeway/wan-link';
import { Command, InvalidArgumentError } from 'commander';
import { UsageError } from '../failure.js';
import type { Output } from '../terminal/output.js';

interface Route {
  readonly name: string;
  readonly listen: string;
  readonly to: string;
}

interface LinkFlags {
  readonly delayMs: number;
  readonly jitterMs: number;
  readonly control: string;
}

const CONTROL_DEFAULT = '127.0.0.1:7900';

export function linkCommand(output: Output): Command {
  return new Command('link')
    .description('pass connections on with the delay of a distance, until it is cut')
    .argument(
      '<route...>',
      'NAME=LISTEN,TO: what connects to LISTEN reaches TO, both host:port',
      collectRoutes,
    )
    .option('--delay-ms <ms>', 'one way', parseDelay, 0)
    .option('--jitter-ms <ms>', 'the delay is uniform around --delay-ms by that much', parseDelay, 0)
    .option('--control <host:port>', 'HTTP: cut, heal, change', CONTROL_DEFAULT)
    .addHelpText('after', EXPLANATION)
    .action((routes: readonly Route[], flags: LinkFlags) => run(routes, flags, output));
}

const EXPLANATION = `
  causeway link to-us=0.0.0.0:7501,us:7500 --delay-ms 40
  curl -X POST localhost:7900/cut              # both ends hear nothing more; ?mode=reset: they are told
  curl -X POST localhost:7900/cut?direction=up # only what goes from LISTEN to TO
  curl -X POST localhost:7900/heal
  curl -X POST localhost:7900/set?delayMs=80   # also jitterMs, bytesPerSecond, up.delayMs, down.delayMs
  curl localhost:7900/                         # what it is set to, and bytes so far
All routes are meant unless one is named: ?link=NAME. The control port asks nobody who they are.`;

async function run(
  routes: readonly Route[],
  { delayMs, jitterMs, control }: LinkFlags,
  output: Output,
): Promise<void> {
  const links: WanLink[] = [];
  try {
    for (const route of routes) links.push(await createWanLink({ ...route, delayMs, jitterMs }));
    const server = await serveControl(links, control);
    links.forEach(({ name, address }, index) => {
      output.print(`${name}: ${address} to ${routes[index]?.to}, ${delayMs} ms one way, ± ${jitterMs} ms`);
    });
    output.print(`control: http://${server.address}/`);
    await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
    await server.close();
  } catch (error) {
    // An address, a number or a name that cannot be.
    if (error instanceof RangeError) throw new UsageError(error.message);
    throw error;
  } finally {
    await Promise.all(links.map((link) => link.close()));
  }
}

function collectRoutes(text: string, before: readonly Route[] | undefined): readonly Route[] {
  const [, name = '', listen = '', to = ''] = /^([^=]+)=([^,]+),([^,]+)$/.exec(text) ?? [];
  if (name === '') throw new InvalidArgumentError('It must be NAME=LISTEN,TO.');
  return [...(before ?? []), { name, listen, to }];
}

function parseDelay(text: string): number {
  const ms = Number(text);
  if (text.trim() === '' || !(ms >= 0)) throw new InvalidArgumentError('It must be milliseconds, 0 or more.');
  return ms;
}
