/**
 * Ports for nodes that are told of each other before they run, and keep their addresses over a restart.
 *
 * They are taken from below the range that the system gives to outgoing connections: while a node is down, one of
 * those could otherwise take its port away.
 */
import { createServer } from 'node:net';

const LOWEST = 10_240;
/** Linux, macOS and Windows hand out ports above this to outgoing connections. */
const HIGHEST = 32_000;
const ATTEMPTS_MAX = 1_000;

/** `count` different ports of the loopback address that nobody listens on now. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  for (let attempt = 0; ports.size < count; attempt++) {
    if (attempt === ATTEMPTS_MAX) throw new Error('no free ports on 127.0.0.1');
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    if (!ports.has(port) && (await isFree(port))) ports.add(port);
  }
  return [...ports];
}

/** Whether a listener could be opened on this port of the loopback address. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
